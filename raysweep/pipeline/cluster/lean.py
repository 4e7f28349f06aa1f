"""A Ray of one's own, without those of its processes that serve no sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ray._private.node import Node

UNNEEDED = ("start_api_server", "start_monitor", "start_log_monitor")
"""The methods by which Ray's head starts its dashboard's server (also where none is asked for, and
then waits for it), the autoscaler of a cluster of one machine, and the reader of its workers' logs,
which brings them to a screen that is not to show them."""


@contextlib.contextmanager
def started() -> Iterator[None]:
    """Within it, `ray.init` starts a Ray without them: 2 s and more of each of two CPUs, and 1 s of
    its end. Ray has no option for it. One that no longer has such a method starts as it does."""
    real = {name: getattr(Node, name) for name in UNNEEDED if hasattr(Node, name)}
    for name in real:
        setattr(Node, name, _nothing)
    try:
        yield
    finally:
        for name, method in real.items():
            setattr(Node, name, method)


def _nothing(*_: Any, **__: Any) -> None:
    pass
