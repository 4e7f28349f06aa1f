"""A Ray of one's own: without the processes that serve no sweep, and with copied workers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from ray._private.node import Node

from raysweep.pipeline.cluster import fork_server

UNNEEDED = ("start_api_server", "start_monitor", "start_log_monitor")
"""The methods by which Ray's head starts its dashboard's server (also where none is asked for, and
then waits for it), the autoscaler of a cluster of one machine, and the reader of its workers' logs,
which brings them to a screen that is not to show them."""


@contextlib.contextmanager
def started(*, workers: bool = True) -> Iterator[None]:
    """Within it, `ray.init` starts a Ray without them: 2 s and more of each of two CPUs, and 1 s of
    its end. Its workers come from this process's fork server, if there is one.

    `workers`: whether it is to have any; in local mode Ray starts one a CPU, for nothing.

    Ray has no option for it. One that no longer has such a method starts as it does.
    """
    real = {name: getattr(Node, name) for name in UNNEEDED if hasattr(Node, name)}
    for name in real:
        setattr(Node, name, _nothing)
    with _copied_workers() if workers else _set("RAY_prestart_worker_first_driver", "0"):
        try:
            yield
        finally:
            for name, method in real.items():
                setattr(Node, name, method)


def _nothing(*_: Any, **__: Any) -> None:
    pass


@contextlib.contextmanager
def _set(name: str, value: str) -> Iterator[None]:
    """With that variable in the environment."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def _copied_workers() -> Iterator[None]:
    address = fork_server.address()
    if address is None:
        yield
        return
    start_raylet = Node.start_raylet

    def start(node: Node, *args: Any, **options: Any) -> None:
        node._ray_params.worker_path = str(fork_server.WORKER)
        with _set(fork_server.SOCKET, address):  # a raylet's workers have its environment
            start_raylet(node, *args, **options)

    setattr(Node, "start_raylet", start)  # noqa: B010 - mypy has no word for it
    try:
        yield
    finally:
        setattr(Node, "start_raylet", start_raylet)  # noqa: B010
