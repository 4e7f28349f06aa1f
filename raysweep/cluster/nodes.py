"""The machines of the cluster: which one a process is on, and how to reach the others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raysweep.cluster.faststart import ray_internals

CALL_TIMEOUT_S = 15
"""A worker process, if need be, starts in 1 to 3 s; a node that is lost unnoticed never answers."""


def this_node() -> str:
    """Ray's id of the node that this process runs on."""
    node: str = ray.get_runtime_context().get_node_id()
    return node


def in_one_process() -> bool:
    """Whether this process has initialised Ray in local mode: it runs all tasks itself."""
    return ray_internals.is_local_mode()


def on_this_node() -> dict[str, Any]:
    """Options that keep an actor or a task on the driver's machine, beside the user's files."""
    if in_one_process():
        return {}  # Ray refuses to place anything
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(this_node(), soft=False)}


def call_on_others(function: Callable[..., None], *arguments: Any) -> None:
    """Call `function` once on every node but this one, at the same time, each with no CPU reserved.

    Nodes that are gone, or do not answer within CALL_TIMEOUT_S, are passed over.
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
        with suppress(RayError):  # gone since we looked
            ray.get(call)


def on_node(node: str) -> dict[str, Any]:
    """Options that place a task on that node."""
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
