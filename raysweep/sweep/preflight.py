"""Check the input before Ray starts and anything is created."""

from __future__ import annotations

from raysweep.cluster.machine import check_resources
from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.search import space
from raysweep.storage.storage import Storage
from raysweep.tracking import validate_project
from raysweep.trials.work import Workload
from raysweep.trials.workloads import workload_of


def check(
    config: Config, storage: Storage, name: str | None, *, address: str | None = None
) -> None:
    """Raise UserError for the first mistake. Fast: torch is not imported. `address`: of the
    cluster that the sweep joins, which alone knows what it has; without one it runs here."""
    storage.check(name)
    check_config(config)
    if address is None:
        check_resources(config.resources)
    workload = workload_of(config)
    workload.check_here(config)
    if address is not None:
        workload.check_sent(config)


def check_config(config: Config) -> None:
    """Check what does not depend on the machine that the sweep will run on."""
    workload = workload_of(config)
    validate_project(config.tracking.project)
    _check_capabilities(config, workload)
    space.trial_count(config)  # lists the trials: refuses too many, and values that no field takes
    workload.check(config)


def _check_capabilities(config: Config, workload: Workload) -> None:
    """Raise UserError for an option that this kind of trials does not support."""
    if config.sweep.pbt is not None and workload.cannot_clone:
        raise UserError(
            f"sweep.pbt: needs trials that continue from each other's state, and "
            f"{workload.cannot_clone}; leave it out, or use early_terminate"
        )
    rule = config.sweep.early_terminate
    if rule is not None and rule.order == "sweep" and workload.cannot_pause:
        raise UserError(
            f"sweep.early_terminate.order: sweep needs trials that pause and continue later, and "
            f"{workload.cannot_pause}; use order: arrival"
        )
