"""`run_sweep` and `resume_sweep` as they are called from outside: in a notebook they show progress.

Elsewhere they say nothing, unless they are given an observer. The terminal's room is above the
sweep's, so this is the place where both are known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from raysweep.sweep import resume, sweep
from raysweep.terminal.notebook import NotebookTable, in_notebook

P = ParamSpec("P")
T = TypeVar("T")


def _shown(function: Callable[P, T]) -> Callable[P, T]:
    """Show the progress of `function`, which takes an `observer`, in the cell that called it."""

    @functools.wraps(function)
    def shown(*args: P.args, **kwargs: P.kwargs) -> T:
        if "observer" in kwargs or not in_notebook():
            return function(*args, **kwargs)
        with NotebookTable() as table:
            kwargs["observer"] = table
            return function(*args, **kwargs)

    return shown


run_sweep = _shown(sweep.run_sweep)
resume_sweep = _shown(resume.resume_sweep)
