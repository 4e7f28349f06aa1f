"""What `train.precision: auto` means in a sweep: one arithmetic for all of its trials.

Each machine by itself would take what it is fast at, and two trials of one leaderboard would not
compute alike, nor would one that is resumed on another machine.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import ray
from ray.exceptions import RayError

from raysweep.cluster.cluster import Resources
from raysweep.cluster.nodes import CALL_TIMEOUT_S, on_node, on_this_node, this_node
from raysweep.cluster.remote import wait_for
from raysweep.config import Config, field_of
from raysweep.ml import cpu


@dataclass(frozen=True)
class Precision:
    """`format`: what `auto` means, fp32 or bf16; None where no trial asks. `notices`: what to know
    of the machines, a line each."""

    format: str | None
    notices: tuple[str, ...] = ()


def of_machines(config: Config, resources: Resources, noted: str | None = None) -> Precision:
    """bf16 where every machine that a trial fits on is fast at it, else fp32; but where the sweep
    has one `noted` that it started with, that.

    Machines that do not answer in time are passed over.
    """
    if not _is_left_open(config):
        return Precision(None)
    fast = _answers(resources)
    slow, found = fast.count(False), "bf16" if fast and all(fast) else "fp32"
    if noted is not None and noted != found:
        slower = ", which is not fast at it" if noted == "bf16" else ""
        line = f"train.precision: auto is {noted}, as when the sweep started, here too{slower}"
        return Precision(noted, (line,))
    if noted is None and 0 < slow < len(fast):
        line = (
            f"train.precision: auto is fp32 in every trial, as {slow} of {len(fast)} machines are "
            "not fast at bf16; set train.precision for another"
        )
        return Precision(found, (line,))
    return Precision(found)


def _is_left_open(config: Config) -> bool:
    """Whether a trial may take what its machine is fast at. A trainer of the user's own may be
    derived from the built-in one, and leave it open."""
    fixed = getattr(config.train, "precision", "auto") != "auto"
    return not fixed or any(field_of(name) == "train.precision" for name in config.sweep.parameters)


def _answers(resources: Resources) -> list[bool]:
    """Of every machine that a trial fits on: whether it is fast at bf16."""
    here, gpus = this_node(), resources.gpus > 0
    nodes = [
        node["NodeID"]
        for node in ray.nodes()
        if node["Alive"] and _fits(node["Resources"], resources)
    ]
    if not gpus and nodes == [here]:
        return [cpu.has_fast_bf16()]
    task = ray.remote(is_fast_at_bf16)
    if not nodes:  # one is started for a trial, and then for this
        lasting = task.options(num_cpus=resources.cpus, num_gpus=resources.gpus)
        return [wait_for(lasting.remote(gpus))]
    calls = [
        task.options(
            num_cpus=0,
            num_gpus=resources.gpus,
            **(on_this_node() if node == here else on_node(node)),
        ).remote(gpus)
        for node in nodes
    ]
    ready, late = ray.wait(calls, num_returns=len(calls), timeout=CALL_TIMEOUT_S)
    for call in late:
        ray.cancel(call)
    found: list[bool] = []
    for call in ready:
        with suppress(RayError):  # gone since it was asked
            found.append(ray.get(call))
    return found


def is_fast_at_bf16(gpus: bool) -> bool:
    """Of this machine: of its GPUs, or its CPU."""
    if not gpus:
        return cpu.has_fast_bf16()
    from raysweep.ml.compute import default_device, has_fast_bf16

    return has_fast_bf16(default_device())


def _fits(there: dict[str, float], resources: Resources) -> bool:
    return there.get("CPU", 0) >= resources.cpus and there.get("GPU", 0) >= resources.gpus
