"""Ray, for the length of a sweep: connected, quiet, and shut down if we started it."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from raysweep.config import Config
from raysweep.errors import UserError


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

    Raises UserError where there is no such cluster, or local mode is asked of a Ray without it.
    """
    if ray.is_initialized():
        yield  # a notebook's or a test's own Ray: theirs to shut down
        return
    _quieten(verbose)
    try:
        ray.init(
            address=address,
            local_mode=local_mode,
            include_dashboard=None if address else False,
            log_to_driver=verbose,
            logging_level=logging.INFO if verbose else logging.ERROR,
        )
    except (ConnectionError, ValueError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there: {error}") from error
    except RuntimeError as error:
        if local_mode and "local_mode" in str(error):
            raise UserError(
                f"--local-mode: Ray {ray.__version__} no longer has it; "
                "install ray 2.54.1, or leave the option out"
            ) from error
        raise
    try:
        yield
    finally:
        ray.shutdown()


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


def _quieten(verbose: bool) -> None:
    """Settings that Ray reads from the environment, unless the user has set them."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",  # no call home from a run that needs no network
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run` it would upload the working tree
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the tracker records; no CSV, JSON, TBX beside
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    if not verbose:
        for name in ("ray", "ray.tune", "ray.train", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)
