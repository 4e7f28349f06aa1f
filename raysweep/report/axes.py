"""How each swept parameter is drawn: as a number, on a linear or log axis, or as choices."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from raysweep.sweep.view import ParameterView, SweepView

_LOG_RATIO = 30
"""Listed numbers get a log axis from this ratio of the largest to the smallest: 0.1, 0.01, 0.001
do, and 16, 32, 64 do not."""


@dataclass(frozen=True)
class Axis:
    """A parameter's axis. `choices`, for one that is no number, are in the order of the space."""

    name: str
    log: bool = False
    choices: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert for the page."""
        choices = None if self.choices is None else list(self.choices)
        return {"name": self.name, "log": self.log, "choices": choices}


def axes_of(views: Iterable[SweepView]) -> list[Axis]:
    """Return an axis for each parameter that any trial has, in the order of the configs."""
    given: dict[str, ParameterView] = {}
    seen: dict[str, list[Any]] = {}
    for view in views:
        for parameter in view.space:
            given.setdefault(parameter.name, parameter)
            seen.setdefault(parameter.name, [])
        for trial in view.trials:
            for name, value in trial.values.items():
                seen.setdefault(name, []).append(value)
    return [_axis(name, given.get(name), values) for name, values in seen.items() if values]


def shown(value: Any) -> str:
    """Format a choice as the page names it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _axis(name: str, parameter: ParameterView | None, values: list[Any]) -> Axis:
    listed = () if parameter is None else parameter.choices or ()
    if not all(_is_number(value) for value in values):
        return Axis(name, choices=tuple(dict.fromkeys(map(shown, [*listed, *values]))))
    if min(values) <= 0:
        return Axis(name)
    spread = bool(listed) and max(values) / min(values) >= _LOG_RATIO
    return Axis(name, log=spread or (parameter is not None and parameter.log))


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)
