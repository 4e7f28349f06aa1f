"""Ray, for the length of a sweep: connected, quiet, and shut down if we started it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.pipeline import quiet


@dataclass(frozen=True)
class Resources:
    """What a trial gets, and how many run at once."""

    cpus: float
    gpus: float
    concurrent: int

    @property
    def threads(self) -> int:
        """As many as the trial has whole CPUs, and at least one."""
        return max(1, int(self.cpus))


@contextmanager
def connect(address: str | None, *, local_mode: bool, verbose: bool) -> Iterator[None]:
    """Join the cluster at `address`, or start one on this machine and shut it down afterwards.

    A process that has initialised Ray already keeps its own, as it is.
    Raises UserError where there is no such cluster, or local mode is asked of a Ray without it.
    """
    with quiet.hushed(verbose):
        if ray.is_initialized():
            yield
            return
        quiet.apply_settings()
        _initialise(address, local_mode, verbose)
        try:
            yield
        finally:
            ray.shutdown()


def _initialise(address: str | None, local_mode: bool, verbose: bool) -> None:
    options: dict[str, Any] = {"local_mode": True} if local_mode else {}
    if address is None:
        # Without `address="local"` a RAY_ADDRESS in the environment would be joined instead.
        options |= {"address": "local", "include_dashboard": False}
    else:
        options["address"] = address
    try:
        ray.init(
            log_to_driver=verbose,
            logging_level=logging.INFO if verbose else logging.ERROR,
            **options,
        )
    except (ConnectionError, ValueError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there: {error}") from error
    except RuntimeError as error:
        if "local_mode" not in str(error):
            raise
        raise UserError(
            f"--local-mode: Ray {ray.__version__} no longer has it; "
            "install ray 2.54.1, or leave the option out"
        ) from error


def resources(config: Config, trials: int | None) -> Resources:
    """Fill the machine, or the cluster, with what the config leaves on `auto`.

    A trial's CPUs depend on how many trials there are, never on `max_concurrent`: threads change
    the order of a sum, and running fewer trials at once must not change a result.
    Raises UserError when a trial needs more than there is.
    """
    have = ray.cluster_resources()
    total_cpus, total_gpus = have.get("CPU", 0.0), have.get("GPU", 0.0)
    wanted = config.resources
    gpus = wanted.gpus if wanted.gpus != "auto" else (1.0 if total_gpus else 0.0)
    _require("gpus", gpus, total_gpus)
    slots = total_gpus / gpus if gpus else total_cpus
    parallel = max(1, math.floor(min(slots, trials or slots)))
    cpus = wanted.cpus if wanted.cpus != "auto" else float(max(1, total_cpus // parallel))
    _require("cpus", cpus, total_cpus)
    fitting = max(1, math.floor(min(total_cpus / cpus, total_gpus / gpus if gpus else math.inf)))
    limit = fitting if wanted.max_concurrent == "auto" else wanted.max_concurrent
    return Resources(cpus=cpus, gpus=gpus, concurrent=min(fitting, limit))


def _require(name: str, wanted: float, total: float) -> None:
    if wanted > total:
        raise UserError(
            f"resources.{name}: a trial needs {wanted:g}, and there are {total:g}; "
            f"lower resources.{name} or use a larger cluster"
        )
