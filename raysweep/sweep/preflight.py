"""Everything about the input that can be known before Ray starts and anything is made."""

from __future__ import annotations

from raysweep.cluster.machine import check_resources
from raysweep.config import Config
from raysweep.search import space
from raysweep.storage.storage import Storage
from raysweep.tracking import validate_project
from raysweep.trials.workloads import workload_of


def check(
    config: Config, storage: Storage, name: str | None, *, address: str | None = None
) -> None:
    """Raise a UserError for the first fault. Quick: torch is not imported. `address`: of the
    cluster that the sweep joins, which alone knows what it has; without one it runs here."""
    storage.check(name)
    check_config(config)
    if address is None:
        check_resources(config.resources)
    workload_of(config).check_here(config)


def check_config(config: Config) -> None:
    """What holds on whatever machine the sweep will run."""
    validate_project(config.tracking.project)
    space.trial_count(config)  # lists them, and so refuses too many, or values that no field takes
    workload_of(config).check(config)
