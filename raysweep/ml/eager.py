"""Use torch.optim without importing torch.compile, as long as nothing is compiled.

An optimizer's first step imports torch._dynamo only to disable it there. That takes as long as
`import torch` itself (1.7 s to 2.1 s on one machine) and 150 MB in each process that trains. The
results are the same without it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import Optimizer

_COMPILER = "torch._dynamo"
_DISABLED = "__dynamo_disable"
"""The attribute in which `torch._disable_dynamo` caches the function that the wrapper calls."""


def without_compiler() -> None:
    """Make Optimizer's methods in this process run unwrapped until the compiler is imported."""
    if _COMPILER in sys.modules:
        return
    for wrapped in _wrapped():
        if not hasattr(wrapped, _DISABLED):
            setattr(wrapped, _DISABLED, _until_compiling(wrapped))


@contextmanager
def compiler_given_back() -> Iterator[None]:
    """Undo at the end of the block what `without_compiler` did in it."""
    before = [wrapped for wrapped in _wrapped() if hasattr(wrapped, _DISABLED)]
    try:
        yield
    finally:
        for wrapped in _wrapped():
            if wrapped not in before and hasattr(wrapped, _DISABLED):
                delattr(wrapped, _DISABLED)  # torch makes its own again when needed


def _wrapped() -> list[Any]:
    """List the functions inside Optimizer's methods that torch wraps to disable its compiler."""
    methods = (getattr(each, "__func__", each) for each in vars(Optimizer).values())
    found = (getattr(method, "__wrapped__", None) for method in methods)
    return [wrapped for wrapped in found if wrapped is not None]


def _until_compiling(function: Callable[..., Any]) -> Callable[..., Any]:
    """Call `function` itself; once the compiler is imported, call torch's wrapper of it."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _COMPILER not in sys.modules:
            return function(*args, **kwargs)
        disabled = torch.compiler.disable(function)  # type: ignore[no-untyped-call]
        setattr(function, _DISABLED, disabled)
        return disabled(*args, **kwargs)

    return call


@functools.cache
def stepping_eagerly(optimizer_class: type[Optimizer]) -> Any:
    """`optimizer_class` with its bare `step`: the compiler's wrapper of it imports the compiler."""
    step = torch.no_grad()(inspect.unwrap(optimizer_class.step))
    return type(optimizer_class.__name__, (optimizer_class,), {"step": step})
