"""How each swept parameter is drawn: as a number, on a linear or log axis, or as choices."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raysweep.sweep.view import SweepView

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
    given: dict[str, Mapping[str, Any]] = {}
    seen: dict[str, list[Any]] = {}
    for view in views:
        for name, parameter in _parameters(view.config):
            given.setdefault(name, parameter)
            seen.setdefault(name, [])
        for trial in view.trials:
            for name, value in trial.values.items():
                seen.setdefault(name, []).append(value)
    return [_axis(name, given.get(name, {}), values) for name, values in seen.items() if values]


def shown(value: Any) -> str:
    """Format a choice as the page names it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _parameters(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the config's swept parameters by their whole names, `model.dropout`."""
    sweep = config.get("sweep")
    parameters = sweep.get("parameters") if isinstance(sweep, Mapping) else None
    yield from _flat("", parameters if isinstance(parameters, Mapping) else {})


def _flat(prefix: str, parameters: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, parameter in parameters.items():
        if not isinstance(parameter, Mapping):
            continue
        if isinstance(nested := parameter.get("parameters"), Mapping):
            yield from _flat(f"{prefix}{name}.", nested)
        else:
            yield f"{prefix}{name}", parameter


def _axis(name: str, parameter: Mapping[str, Any], values: list[Any]) -> Axis:
    if not all(_is_number(value) for value in values):
        listed = parameter.get("values")
        known = [shown(value) for value in listed] if isinstance(listed, (list, tuple)) else []
        return Axis(name, choices=tuple(dict.fromkeys([*known, *map(shown, values)])))
    positive = min(values) > 0
    kind = str(parameter.get("distribution") or "")
    if "values" in parameter:
        spread = positive and max(values) / min(values) >= _LOG_RATIO
        return Axis(name, log=spread)
    return Axis(name, log=positive and "log" in kind)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)
