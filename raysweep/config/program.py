"""The `program` section: how the program of a sweep's trials is run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from raysweep.config.budget import Duration
from raysweep.config.section import Section
from raysweep.config.space.distributions import Json


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
    """A trial that takes longer has failed: seconds, or "90s", "30m", "2h"."""

    grace_s: Annotated[float, Field(ge=0)] = 30.0
    """Seconds that a trial which is stopped early has to end by itself, before SIGTERM."""


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
