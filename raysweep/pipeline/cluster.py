"""Ray, for the length of a sweep: connected, quiet, and shut down if we started it."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.services import canonicalize_bootstrap_address_or_die

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.pipeline import quiet, signals

KNOCK_TIMEOUT_S = 5


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
        _knock(address)
    try:
        with signals.given_back():
            ray.init(
                log_to_driver=verbose,
                logging_level=logging.INFO if verbose else logging.ERROR,
                **options,
            )
    except SystemExit:
        raise KeyboardInterrupt from None  # what Ray's own handler makes of a SIGTERM meanwhile
    except (ConnectionError, ValueError, RuntimeError) as error:
        if "local_mode" in str(error):
            raise UserError(
                f"--local-mode: Ray {ray.__version__} no longer has it; "
                "install ray 2.54.1, or leave the option out"
            ) from error
        if address is None:
            raise
        raise _not_joined(address, error) from error


def _knock(address: str) -> None:
    """Raise UserError where nobody answers: Ray itself would ask for over three minutes, aloud."""
    try:
        if address.startswith("ray://"):
            where = address.removeprefix("ray://")
        else:
            where = canonicalize_bootstrap_address_or_die(address)
        host, _, port = where.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_TIMEOUT_S).close()
    except (OSError, ValueError) as error:  # ConnectionError is an OSError
        raise _not_joined(address, error) from error


def _not_joined(address: str, error: Exception) -> UserError:
    """Ray's reasons (another version, a missing package) take several lines, some of them."""
    why = " ".join(str(error).split()).rstrip(".")
    return UserError(
        f"--address {address}: cannot join a Ray cluster there ({why}); "
        "check it with `ray status`, or leave the option out to start Ray here"
    )


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
