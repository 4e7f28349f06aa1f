"""How each swept parameter is drawn: as a number, on a linear or log axis, or as choices."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from raysweep.sweep.axes import ParameterView
from raysweep.sweep.view import SweepView

_LOG_RATIO = 30
"""Listed numbers get a log axis from this ratio of the largest to the smallest."""

_SAME_RATIO = 1.1
_MOST_LISTED = 12


@dataclass(frozen=True)
class Axis:
    """A parameter's axis. `choices`, for one that is no number, are in the order of the space;
    `listed` are the numbers of one that has only a few."""

    name: str
    log: bool = False
    choices: tuple[str, ...] | None = None
    listed: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert for the page."""
        return asdict(self)


def axes_of(views: Sequence[SweepView]) -> list[Axis]:
    """Return an axis for each parameter that any trial has, in the order of the configs; not for
    those that are fixed to one value, and the same one in all sweeps."""
    given: dict[str, ParameterView] = {}
    seen: dict[str, list[Any]] = {}
    for view in views:
        for parameter in view.space:
            given.setdefault(parameter.name, parameter)
            seen.setdefault(parameter.name, [])
        for trial in view.trials:
            for name, value in trial.values.items():
                seen.setdefault(name, []).append(value)
    same = dict(views[0].display.fixed) if views else {}
    for view in views:
        its = view.display.fixed
        same = {name: value for name, value in same.items() if (name, value) in its.items()}
    return [
        _axis(name, given.get(name), values)
        for name, values in seen.items()
        if values and name not in same
    ]


def shown(value: Any) -> str:
    """Format a choice as the page names it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _axis(name: str, parameter: ParameterView | None, values: list[Any]) -> Axis:
    listed = () if parameter is None else parameter.choices or ()
    if not all(_is_number(value) for value in values):
        return Axis(name, choices=tuple(dict.fromkeys(map(shown, [*listed, *values]))))
    few = tuple(sorted(set(values))) if listed and len(set(values)) <= _MOST_LISTED else None
    if min(values) <= 0:
        return Axis(name, listed=few)
    log = _is_geometric(sorted(set(values))) if listed else parameter is not None and parameter.log
    return Axis(name, log=log, listed=few)


def _is_geometric(values: list[float]) -> bool:
    """Whether the numbers spread by factors: 0.1, 0.01, 0.001, or 16, 32, 64."""
    ratios = [after / before for before, after in itertools.pairwise(values)]
    alike = len(ratios) > 1 and max(ratios) / min(ratios) < _SAME_RATIO
    return alike or values[-1] / values[0] >= _LOG_RATIO


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)
