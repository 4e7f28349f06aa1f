"""The `program` section: how the program of a sweep's trials is run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from raysweep.config.budget import Duration
from raysweep.config.section import Section
from raysweep.config.space.distributions import Json


def _call(given: Any) -> Any:
    """Take a file's name for a command of one word, and a number in a command for its text."""
    if isinstance(given, (list, tuple)):
        return tuple(str(each) if type(each) in (int, float) else each for each in given)
    return (given,) if isinstance(given, str) else given


def _calls(given: Any) -> Any:
    """Take one file's name for a list of it."""
    if isinstance(given, str):
        return ((given,),)
    return tuple(map(_call, given)) if isinstance(given, (list, tuple)) else given


Word = Annotated[str, Field(min_length=1)]
Call = Annotated[tuple[Word, ...], Field(min_length=1)]
"""A program with its arguments. One whose first word is a .py file is run by the Python."""


class ProgramConfig(Section):
    """How to run the program that `sweep.program` or `sweep.command` names."""

    python: Annotated[str, Field(min_length=1)] | None = None
    """${interpreter}: a Python by path or name; null: the one that runs raysweep."""

    directory: Annotated[str, Field(min_length=1)] | None = None
    """The folder that the program is run in; null: the current one, or that of the sweep file where
    the program is there and not here."""

    folder: Literal["own", "shared"] = "own"
    """own: each trial has a folder of its own, in which the entries of `directory` are links.
    shared: all trials run in `directory` itself, as W&B's agent runs them."""

    timeout: Duration | None = None
    """A trial, or a program of `before` or `after`, that takes longer has failed: seconds, or
    "90s", "30m", "2h"."""

    grace_s: Annotated[float, Field(ge=0)] = 30.0
    """Seconds that a trial which is stopped early has to end by itself, before SIGTERM."""

    before: Annotated[tuple[Call, ...], BeforeValidator(_calls)] = ()
    """Programs that run once before the trials, in this order: a file each, or a list of a command
    and its arguments. One that has run before in this storage, unchanged and on the same versions,
    is not run again."""

    after: Annotated[Call | None, BeforeValidator(_call)] = None
    """A program that runs once when the winner is tagged `best`. The numbers of its run's summary
    are the sweep's test scores."""

    reuse: bool = True
    """Whether a program of `before` may be skipped. False: each runs, as where one reads files that
    have changed, of which raysweep knows nothing."""

    resume: bool = False
    """Whether the program can continue a run: a trial that was cut short then begins again with its
    rows kept, and `wandb.run.resumed` says so. Else its rows are put away."""


class FreeFields:
    """The parameters of a program: raysweep knows neither their names nor their types."""

    def name_problem(self, name: str) -> str | None:
        """Say what is wrong with a parameter's name."""
        return None

    def value_problem(self, name: str, value: Json) -> str | None:
        """Say why `value` cannot be `name`'s."""
        return None

    def only_whole(self, name: str) -> bool:
        """Whether only integers are accepted."""
        return False

    def takes_fractions(self, name: str) -> bool:
        """Whether fractions are what is meant. Nobody knows."""
        return False

    def as_held(self, name: str, value: Json) -> Any:
        """Return `value` for comparison: 1, 1.0 and true differ for a program."""
        return f"{type(value).__name__} {value!r}"
