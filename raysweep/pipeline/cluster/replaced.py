"""Functions of Ray's that are others for a while, where Ray has no option for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, function: Callable[..., Any] | bool) -> Iterator[None]:
    """Within it, `owner` (a module or a class) has `function`, or a switch in that position, of
    that name, if it has any such."""
    real = getattr(owner, name, None)
    if real is None:
        yield
        return
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, real)
