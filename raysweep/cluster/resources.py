"""Decide what each trial gets, and how many run at once, from the cluster's machines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raysweep.cluster import growing
from raysweep.config import Config, ResourcesConfig
from raysweep.errors import UserError
from raysweep.events import ClusterNotice, Observer, silent


@dataclass(frozen=True)
class Resources:
    """The CPUs and GPUs of a trial, and how many trials run at once."""

    cpus: float
    gpus: float
    concurrent: int

    @property
    def threads(self) -> int:
        """The number of threads: one per whole CPU, and at least one."""
        return max(1, int(self.cpus))


@dataclass(frozen=True)
class Node:
    """The CPUs and GPUs of one machine of the cluster."""

    cpus: float
    gpus: float

    def slots(self, cpus: float, gpus: float) -> int:
        """Return how many trials of that size fit. A fraction is of one GPU: 0.3 fits 3 times, not
        3.3."""
        fitting = math.floor(self.cpus / cpus + 1e-9)
        if 0 < gpus < 1:
            return min(fitting, math.floor(self.gpus) * math.floor(1 / gpus + 1e-9))
        return min(fitting, math.floor(self.gpus / gpus)) if gpus else fitting


def trial_resources(
    config: Config, trials: int, observer: Observer = silent, *, joined: bool = False
) -> Resources:
    """Return a trial's resources: what the config leaves on `auto` fills the machine or cluster.

    On a cluster whose autoscaler starts machines, wait until one is there that a trial fits on,
    and report it: the values of `auto` depend on it. There `gpus: auto` first requests a machine
    with a GPU. `joined`: the sweep has joined the cluster, whose autoscaler may still be starting.
    Raises UserError if no machine of the cluster has, or will have, what a trial needs.
    """
    wanted = config.resources
    nodes = present()

    def notify(line: str) -> None:
        observer(ClusterNotice(line))

    # `auto` may mean GPUs of machines that have not started yet.
    unknown = wanted.gpus == "auto" and not any(node.gpus for node in nodes)
    wait = notify if joined else None
    if not (unknown and growing.grows(wait)):
        try:
            return share(nodes, wanted, trials)
        except UserError:
            if unknown or not growing.grows(wait):
                raise
    _start_machine(wanted, notify)
    return share(present(), wanted, trials)


def present() -> list[Node]:
    """Return the machines that are alive."""
    return [Node(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in growing.present()]


def _start_machine(wanted: ResourcesConfig, notify: Callable[[str], None]) -> None:
    """Have the autoscaler start a machine for a trial. If it starts none with a GPU, and the config
    does not require one, request a machine without."""
    cpus = 1.0 if wanted.cpus == "auto" else wanted.cpus
    kinds = [1.0, 0.0] if wanted.gpus == "auto" else [wanted.gpus]
    for gpus in kinds:
        bundle = {"CPU": cpus} | ({"GPU": gpus} if gpus else {})
        words = _words(cpus, gpus)
        if any(node.slots(cpus, gpus) for node in present()):
            return
        notify(f"waiting for a machine of the cluster with {words} for a trial")
        if growing.wait_for_machine(bundle, notify):
            return
        if gpus != kinds[-1]:
            notify("the cluster starts no machine with a GPU: trials run on CPUs")
    raise UserError(
        f"resources: a trial needs {words}, and the cluster has no machine with as much and "
        "starts none (see `ray status`); lower resources, or add such a type of machine"
    )


def _words(cpus: float, gpus: float) -> str:
    """Format resources: `1 CPU and 0.5 GPU`."""
    return f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")


def share(nodes: Sequence[Node], wanted: ResourcesConfig, trials: int) -> Resources:
    """Compute a trial's share of these machines.

    With `cpus: auto` it gets as many CPUs as leave room for all trials (or for as many as there are
    CPUs or GPUs) at once. This never depends on `max_concurrent`: the number of threads changes the
    order of a sum, and running fewer trials at once must not change a result.
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
    """Return how many trials of that size run at once on these machines."""
    fitting = max(1, sum(node.slots(cpus, gpus) for node in nodes))
    return min(fitting, most(wanted, trials))


def most(wanted: ResourcesConfig, trials: int) -> int:
    """Return how many trials run at once if there are enough machines."""
    return trials if wanted.max_concurrent == "auto" else min(wanted.max_concurrent, trials)


def _require(name: str, wanted: float, largest: float) -> None:
    if wanted > largest:
        raise UserError(
            f"resources.{name}: a trial needs {wanted:g}, and the largest machine has {largest:g}; "
            f"lower resources.{name} or use a larger machine"
        )
