"""Ray, for the length of a sweep: connected, quiet, and shut down if we started it."""

from __future__ import annotations

import logging
import math
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private import worker
from ray._private.services import canonicalize_bootstrap_address_or_die
from ray.util.client import ray as client

from raysweep.addresses import refuse_keys
from raysweep.config import Config, ResourcesConfig
from raysweep.errors import UserError
from raysweep.pipeline.cluster import fork_server, lean, quiet, signals
from raysweep.pipeline.cluster.replaced import replaced

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
def connect(
    address: str | None, *, local_mode: bool, verbose: bool, modules: Sequence[Path] = ()
) -> Iterator[None]:
    """Join the cluster at `address`, or start one on this machine and shut it down afterwards.

    `modules`: the user's own packages and files, which a cluster's machines are sent.

    A process that has initialised Ray already keeps its own, as it is.
    Raises UserError where there is no such cluster, local mode is asked of a Ray without it, or
    either of them of a process with a Ray of its own; and for Ray Client, through which Tune hands
    itself to the cluster: what it tells of trials would reach a copy of the driver's objects there.
    """
    with quiet.hushed(verbose), quiet.without_uv():
        quiet.apply_settings()
        if ray.is_initialized():
            if address or local_mode:
                raise UserError(
                    "this process has initialised Ray already, so address and local_mode come too "
                    "late; call ray.shutdown() first, or leave them out"
                )
            if client.is_connected():  # type: ignore[no-untyped-call]
                raise _by_client("this process is connected to a cluster by Ray Client")
            yield
            return
        with fork_server.running_for(address, local_mode=local_mode, verbose=verbose):
            try:
                _initialise(address, local_mode, verbose, modules)
                yield
            finally:
                ray.shutdown()


def _initialise(
    address: str | None, local_mode: bool, verbose: bool, modules: Sequence[Path]
) -> None:
    options: dict[str, Any] = {"local_mode": True} if local_mode else {}
    if address is None:
        # Without `address="local"` a RAY_ADDRESS in the environment would be joined instead.
        options |= {"address": "local", "include_dashboard": False}
        python = shlex.quote(sys.executable)
        if python != sys.executable and not local_mode:
            # Ray gives it to a shell as it is: with a space in it, no trial's process would start.
            options["runtime_env"] = {"py_executable": python}
    else:
        asked = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
        whole = asked if "://" in asked else f"ray://{asked}"
        refuse_keys("--address", whole, "let the cluster's network, or Ray's tokens, guard it")
        if asked.startswith("ray://"):
            raise _by_client(f"--address {asked}")
        options["address"] = address
        if modules:
            options["runtime_env"] = {"py_modules": [str(path) for path in modules]}
        _knock(address)
    try:
        lean_one = lean.started(workers=not local_mode)
        lean_or_not = nullcontext() if address or verbose else lean_one
        with signals.given_back(), _joining_uninterrupted(), lean_or_not:
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


@contextmanager
def _joining_uninterrupted() -> Iterator[None]:
    """Within it, a signal that comes while `ray.init` makes this process a driver waits: 0.1 s."""
    real = getattr(worker, "connect", None)

    def join(*args: Any, **options: Any) -> Any:
        assert real is not None
        with signals.deferred():
            return real(*args, **options)

    with replaced(worker, "connect", join):
        yield


def _knock(address: str) -> None:
    """Raise UserError where nobody answers: Ray itself would ask for over three minutes, aloud."""
    try:
        where = canonicalize_bootstrap_address_or_die(address)
        host, _, port = where.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_TIMEOUT_S).close()
    except (OSError, ValueError) as error:  # ConnectionError is an OSError
        raise _not_joined(address, error) from error


def _by_client(what: str) -> UserError:
    return UserError(
        f"{what}: Ray Client reaches a cluster from outside, where no sweep can be driven; hand it "
        "over with `python -m raysweep submit`, or run it on a machine of the cluster with "
        "--address HOST:PORT"
    )


def _not_joined(address: str, error: Exception) -> UserError:
    """Ray's reasons (another version, a missing package) take several lines, some of them."""
    why = " ".join(str(error).split()).rstrip(".")
    return UserError(
        f"--address {address}: cannot join a Ray cluster there ({why}); "
        "check it with `ray status`, or leave the option out to start Ray here"
    )


def resources(config: Config, trials: int) -> Resources:
    """Fill the machine, or the cluster, with what the config leaves on `auto`.

    Raises UserError when no machine of the cluster has what a trial needs.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return share(
        [Node(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in nodes],
        config.resources,
        trials,
    )


@dataclass(frozen=True)
class Node:
    """What one machine of the cluster has."""

    cpus: float
    gpus: float

    def slots(self, cpus: float, gpus: float) -> int:
        """How many trials of that size fit. A fraction is of one GPU: 0.3 fits thrice, not 3.3."""
        fitting = math.floor(self.cpus / cpus + 1e-9)
        if 0 < gpus < 1:
            return min(fitting, math.floor(self.gpus) * math.floor(1 / gpus + 1e-9))
        return min(fitting, math.floor(self.gpus / gpus)) if gpus else fitting


def share(nodes: Sequence[Node], wanted: ResourcesConfig, trials: int) -> Resources:
    """A trial's share of these machines.

    Its CPUs, on `auto`, are as many as leave room for all trials (or for as many as there are CPUs
    or GPUs) at once. They never depend on `max_concurrent`: threads change the order of a sum, and
    running fewer trials at once must not change a result.
    """
    any_gpu = any(node.gpus for node in nodes)
    gpus = wanted.gpus if wanted.gpus != "auto" else float(any_gpu)
    _require("gpus", gpus, max(node.gpus for node in nodes))
    largest = max(node.cpus for node in nodes)
    if wanted.cpus != "auto":
        cpus = wanted.cpus
        _require("cpus", cpus, largest)
    else:
        parallel = min(trials, sum(node.slots(1, gpus) for node in nodes))
        sizes = range(max(1, math.floor(largest)), 0, -1)
        cpus = float(
            next((c for c in sizes if sum(n.slots(c, gpus) for n in nodes) >= parallel), 1)
        )
    fitting = max(1, sum(node.slots(cpus, gpus) for node in nodes))
    limit = fitting if wanted.max_concurrent == "auto" else wanted.max_concurrent
    return Resources(cpus=cpus, gpus=gpus, concurrent=min(fitting, limit, trials))


def _require(name: str, wanted: float, largest: float) -> None:
    if wanted > largest:
        raise UserError(
            f"resources.{name}: a trial needs {wanted:g}, and the largest machine has {largest:g}; "
            f"lower resources.{name} or use a larger machine"
        )
