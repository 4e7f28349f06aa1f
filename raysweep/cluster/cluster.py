"""Ray, for the length of a sweep: connected, quiet, and shut down if we started it."""

from __future__ import annotations

import logging
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from raysweep.addresses import refuse_keys
from raysweep.cluster import growing, joining, own, quiet, signals
from raysweep.cluster.cpus import usable_cpus
from raysweep.cluster.faststart import fork_server, ray_internals
from raysweep.cluster.faststart.checks import PatchName
from raysweep.cluster.faststart.fork_server import NOTHING, Preload
from raysweep.cluster.faststart.probe import switched_off, untested, usable
from raysweep.cluster.faststart.start import start
from raysweep.config import Config, ResourcesConfig
from raysweep.errors import UserError
from raysweep.events import ClusterNotice, Observer, silent


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
    address: str | None,
    *,
    local_mode: bool,
    verbose: bool,
    modules: Sequence[Path] = (),
    fast_start: bool = True,
    preload: Preload = NOTHING,
) -> Iterator[tuple[str, ...]]:
    """Join the cluster at `address`, or start one on this machine and shut it down afterwards.

    Yields what the user should know of how Ray was started, a line each. `modules`: the user's own
    packages and files, which a cluster's machines are sent. `fast_start`: whether a Ray that is
    started here may be patched to start sooner (see `faststart`). `preload`: what its workers need.

    A process that has initialised Ray already keeps its own, as it is.
    Raises UserError where there is no such cluster, local mode is asked of a Ray without it, or
    either of them of a process with a Ray of its own; and for Ray Client, through which Tune hands
    itself to the cluster: what it tells of trials would reach a copy of the driver's objects there.
    """
    with quiet.hushed(verbose), ray_internals.without_uv():
        quiet.apply_settings()
        if ray.is_initialized():
            if address or local_mode:
                raise UserError(
                    "this process has initialised Ray already, so address and local_mode come too "
                    "late; call ray.shutdown() first, or leave them out"
                )
            if ray_internals.is_ray_client():
                raise _by_client("this process is connected to a cluster by Ray Client")
            yield ()
            return
        wanted = fast_start and address is None and not switched_off()
        slow = untested() if wanted else None
        patches = usable() if wanted else frozenset[PatchName]()
        copied = "worker-copies" in patches and not local_mode
        with fork_server.running(preload) if copied else nullcontext(), _admitted(address):
            try:
                said = _initialise(address, local_mode, verbose, modules, patches)
                ports = None if address else ray_internals.open_ports()
                yield tuple(line for line in (slow, said, ports) if line)
            finally:
                ray.shutdown()


@contextmanager
def _admitted(address: str | None) -> Iterator[None]:
    """With what lets Ray's driver join the cluster, or start one."""
    if address is None:
        own.check_temporary_folder()
        yield
        return
    asked = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    whole = asked if "://" in asked else f"ray://{asked}"
    refuse_keys("--address", whole, "let the cluster's network, or Ray's tokens, guard it")
    if asked.startswith("ray://"):
        raise _by_client(f"--address {asked}")
    with joining.admitted(address):
        yield


def _initialise(
    address: str | None,
    local_mode: bool,
    verbose: bool,
    modules: Sequence[Path],
    patches: frozenset[PatchName],
) -> str | None:
    """Returns the line that says that Ray was started twice, if it was."""
    options: dict[str, Any] = {"local_mode": True} if local_mode else {}
    if address is None:
        # Without `address="local"` a RAY_ADDRESS in the environment would be joined instead.
        options |= {"address": "local", "include_dashboard": False, "num_cpus": usable_cpus()}
        python = shlex.quote(sys.executable)
        if python != sys.executable and not local_mode:
            # Ray gives it to a shell as it is: with a space in it, no trial's process would start.
            options["runtime_env"] = {"py_executable": python}
    else:
        options["address"] = address
        if modules:
            options["runtime_env"] = {"py_modules": [str(path) for path in modules]}
    loopback = nullcontext() if address else ray_internals.on_loopback()

    def init() -> None:
        ray.init(
            log_to_driver=verbose,
            logging_level=logging.INFO if verbose else logging.ERROR,
            **options,
        )

    try:
        with signals.given_back(), ray_internals.while_joining(signals.deferred), loopback:
            look = signals.raise_if_interrupted
            return start(init, patches, workers=not local_mode, logs=verbose, look=look)
    except SystemExit:
        raise KeyboardInterrupt from None  # what Ray's own handler makes of a SIGTERM meanwhile
    except (OSError, ValueError, RuntimeError, RayError) as error:
        if "local_mode" in str(error):
            raise UserError(
                f"--local-mode: Ray {ray.__version__} no longer has it; "
                "install ray 2.54.1, or leave the option out"
            ) from error
        if address is None:
            raise
        raise joining.not_joined(address, joining.reason(error)) from error


def _by_client(what: str) -> UserError:
    return UserError(
        f"{what}: Ray Client reaches a cluster from outside, where no sweep can be driven; hand it "
        "over with `python -m raysweep submit`, or run it on a machine of the cluster with "
        "--address HOST:PORT"
    )


def resources(
    config: Config, trials: int, observer: Observer = silent, *, joined: bool = False
) -> Resources:
    """Fill the machine, or the cluster, with what the config leaves on `auto`.

    On a cluster whose autoscaler starts machines, wait until one is there that a trial fits on,
    and say so: what a trial gets on `auto` follows from it. There `gpus: auto` asks for a machine
    with a GPU first. Raises UserError when no machine of the cluster has, or will have, what a
    trial needs. `joined`: a cluster that was here before us, whose autoscaler may yet be starting.
    """
    wanted = config.resources
    nodes = present()

    def tell(what: str) -> None:
        observer(ClusterNotice(what))

    # `auto` may mean GPUs of machines that are not there yet.
    unknown = wanted.gpus == "auto" and not any(node.gpus for node in nodes)
    wait = tell if joined else None
    if not (unknown and growing.grows(wait)):
        try:
            return share(nodes, wanted, trials)
        except UserError:
            if unknown or not growing.grows(wait):
                raise
    _bring(wanted, tell)
    return share(present(), wanted, trials)


def present() -> list[Node]:
    """The machines that are there."""
    return [Node(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in growing.present()]


def _bring(wanted: ResourcesConfig, tell: Callable[[str], None]) -> None:
    """Have the autoscaler start a machine for a trial. Where it starts none with a GPU, and the
    config does not ask for one, a machine without will do."""
    cpus = 1.0 if wanted.cpus == "auto" else wanted.cpus
    kinds = [1.0, 0.0] if wanted.gpus == "auto" else [wanted.gpus]
    for gpus in kinds:
        bundle = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
        words = _words(cpus, gpus)
        if any(node.slots(cpus, gpus) for node in present()):
            return
        tell(f"waiting for a machine of the cluster with {words} for a trial")
        if growing.bring(bundle, tell):
            return
        if gpus != kinds[-1]:
            tell("the cluster starts no machine with a GPU: trials run on CPUs")
    raise UserError(
        f"resources: a trial needs {words}, and the cluster has no machine with as much and "
        "starts none (see `ray status`); lower resources, or add such a type of machine"
    )


def _words(cpus: float, gpus: float) -> str:
    """`1 CPU and 0.5 GPU`."""
    return f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")


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
    _require("cpus", 1 if wanted.cpus == "auto" else wanted.cpus, largest)
    if wanted.cpus != "auto":
        cpus = wanted.cpus
    else:
        parallel = min(trials, sum(node.slots(1, gpus) for node in nodes))
        sizes = range(max(1, math.floor(largest)), 0, -1)
        cpus = float(
            next((c for c in sizes if sum(n.slots(c, gpus) for n in nodes) >= parallel), 1)
        )
    if not any(node.slots(cpus, gpus) for node in nodes):
        raise UserError(
            f"resources: a trial needs {_words(cpus, gpus)}, and no machine has both; "
            "lower one of them or use a larger machine"
        )
    return Resources(cpus=cpus, gpus=gpus, concurrent=concurrent(nodes, cpus, gpus, wanted, trials))


def concurrent(
    nodes: Sequence[Node], cpus: float, gpus: float, wanted: ResourcesConfig, trials: int
) -> int:
    """How many trials of that size run at once on these machines."""
    fitting = max(1, sum(node.slots(cpus, gpus) for node in nodes))
    return min(fitting, most(wanted, trials))


def most(wanted: ResourcesConfig, trials: int) -> int:
    """How many trials run at once on any number of machines."""
    return trials if wanted.max_concurrent == "auto" else min(wanted.max_concurrent, trials)


def _require(name: str, wanted: float, largest: float) -> None:
    if wanted > largest:
        raise UserError(
            f"resources.{name}: a trial needs {wanted:g}, and the largest machine has {largest:g}; "
            f"lower resources.{name} or use a larger machine"
        )
