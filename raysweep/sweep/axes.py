"""The parameters of a stored sweep's space, for axes.

The config is read as plain values: to validate it would import code of the user's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raysweep.events import Display
from raysweep.trials.workloads import display_of


@dataclass(frozen=True)
class ParameterView:
    """One parameter of the space, for an axis. The bounds are those of the values themselves;
    None where there is none."""

    name: str
    kind: str
    """W&B's name of the distribution: `log_uniform_values`, `categorical`, …"""
    log: bool
    """Whether an axis of it should be logarithmic."""
    choices: tuple[Any, ...] | None
    min: float | None
    max: float | None


def space_of(config: Mapping[str, Any]) -> tuple[ParameterView, ...]:
    """Return the parameters of `config`, in its order."""
    given: Mapping[str, Mapping[str, Any]] = config["sweep"]["parameters"]
    return tuple(_parameter(name, each) for name, each in given.items())


def display_in(kind: str, config: Mapping[str, Any]) -> Display:
    """Return how a terminal shows a sweep of that kind of trials, with what its space fixes."""
    return replace(display_of(kind), fixed=fixed_of(space_of(config)))


def fixed_of(space: Sequence[ParameterView]) -> dict[str, Any]:
    """Map the parameters of one value to it; none if that would be all of them."""
    sole = {each.name: each.choices[0] for each in space if each.choices and len(each.choices) == 1}
    return sole if any(each.name not in sole for each in space) else {}


def _parameter(name: str, given: Mapping[str, Any]) -> ParameterView:
    kind = given.get("distribution") or _kind(given)
    log = "log" in kind and "normal" not in kind
    low, high = given.get("min"), given.get("max")
    if log and not kind.endswith("_values") and low is not None and high is not None:
        if kind.startswith("inv_"):
            low, high = -high, -low
        low, high = math.exp(low), math.exp(high)  # they are exponents
    choices = given.get("values")
    if kind == "constant":
        choices = [given.get("value")]
    listed = None if choices is None else tuple(choices)
    return ParameterView(name, kind, log or kind.endswith("log_normal"), listed, low, high)


def _kind(given: Mapping[str, Any]) -> str:
    """As `config.space.parameter` has it, without reading the config anew, which imports code of
    the user's own."""
    if "value" in given:
        return "constant"
    if "values" in given:
        return "categorical_w_probabilities" if "probabilities" in given else "categorical"
    if "q" in given:
        return "q_uniform"
    whole = isinstance(given.get("min"), int) and isinstance(given.get("max"), int)
    return "int_uniform" if whole else "uniform"
