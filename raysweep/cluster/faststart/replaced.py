"""Replace functions and settings of Ray for a while, where Ray has no option for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Within it, `owner` (a module or a class) has `value` of that name, if it has any such."""
    real = getattr(owner, name, None)
    if real is None:
        yield
        return
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, real)


@contextmanager
def setting(name: str, value: str) -> Iterator[None]:
    """With that variable in the environment."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
