"""Find out which node of the cluster a process is on, and run functions on the other nodes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raysweep.cluster.faststart import ray_internals

CALL_TIMEOUT_S = 15
"""A worker process starts in 1 to 3 s if there is none; a node that Ray does not know to be lost
never answers."""


def this_node() -> str:
    """Return Ray's id of the node that this process runs on."""
    node: str = ray.get_runtime_context().get_node_id()
    return node


def in_one_process() -> bool:
    """Return whether Ray is in local mode in this process, which then runs all tasks itself."""
    return ray_internals.is_local_mode()


def on_this_node() -> dict[str, Any]:
    """Return the options that place an actor or a task on the driver's node, which has the user's
    files."""
    if in_one_process():
        return {}  # local mode rejects scheduling strategies
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(this_node(), soft=False)}


def has_other_nodes() -> bool:
    """Return whether the cluster has a node besides this one."""
    if in_one_process():
        return False
    return sum(1 for node in ray.nodes() if node["Alive"]) > 1


def call_on_others(function: Callable[..., None], *arguments: Any) -> None:
    """Call `function` on every other node, in parallel, without reserving a CPU.

    Nodes that are gone, or do not answer within CALL_TIMEOUT_S, are skipped.
    """
    here = this_node()
    others = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not others:
        return
    task = ray.remote(function)
    calls = [
        task.options(num_cpus=0, max_retries=0, **on_node(node)).remote(*arguments)
        for node in others
    ]
    answered, silent = ray.wait(calls, num_returns=len(calls), timeout=CALL_TIMEOUT_S)
    for call in silent:
        ray.cancel(call)
    for call in answered:
        with suppress(RayError):  # the node has gone since
            ray.get(call)


def on_node(node: str) -> dict[str, Any]:
    """Return the options that place a task on that node."""
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
