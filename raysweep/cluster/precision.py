"""Choose the number format that `train.precision: auto` means in a sweep, for all of its trials.

If each machine chose what it is fast at, two trials of one leaderboard would compute differently,
and so would a trial that is resumed on another machine.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import ray
from ray.exceptions import RayError

from raysweep.cluster.nodes import CALL_TIMEOUT_S, on_node, on_this_node, this_node
from raysweep.cluster.remote import wait_for
from raysweep.cluster.resources import Resources
from raysweep.config import Config, field_of
from raysweep.ml import cpu


@dataclass(frozen=True)
class Precision:
    """The chosen precision.

    `format`: what `auto` means, fp32 or bf16; None if no trial uses `auto`. `notices`: lines about
    the machines for the user.
    """

    format: str | None
    notices: tuple[str, ...] = ()


def of_machines(config: Config, resources: Resources, noted: str | None = None) -> Precision:
    """Choose bf16 if every machine that a trial fits on is fast at it, else fp32. A resumed sweep
    keeps the format that it `noted` when it started.

    Machines that do not answer in time are skipped.
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
    """Return whether a trial may use `auto`. A trainer of the user's own may be derived from the
    built-in one, and leave the precision on `auto`."""
    fixed = getattr(config.train, "precision", "auto") != "auto"
    return not fixed or any(field_of(name) == "train.precision" for name in config.sweep.parameters)


def _answers(resources: Resources) -> list[bool]:
    """Ask every machine that a trial fits on whether it is fast at bf16; return the answers."""
    here, gpus = this_node(), resources.gpus > 0
    nodes = [
        node["NodeID"]
        for node in ray.nodes()
        if node["Alive"] and _fits(node["Resources"], resources)
    ]
    if not gpus and nodes == [here]:
        return [cpu.has_fast_bf16()]
    task = ray.remote(is_fast_at_bf16)
    if not nodes:  # the autoscaler starts one for this task, on which trials fit
        waiting = task.options(num_cpus=resources.cpus, num_gpus=resources.gpus)
        return [wait_for(waiting.remote(gpus))]
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
        with suppress(RayError):  # the node has gone since
            found.append(ray.get(call))
    return found


def is_fast_at_bf16(gpus: bool) -> bool:
    """Return whether this machine is fast at bf16: its GPUs, or its CPU."""
    if not gpus:
        return cpu.has_fast_bf16()
    from raysweep.ml.compute import default_device, has_fast_bf16

    return has_fast_bf16(default_device())


def _fits(there: dict[str, float], resources: Resources) -> bool:
    return there.get("CPU", 0) >= resources.cpus and there.get("GPU", 0) >= resources.gpus
