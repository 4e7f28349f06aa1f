"""Guess what a parameter's author meant where W&B's vocabulary says something else."""

from __future__ import annotations

from typing import Any

from raysweep.config.explain import Loc, found
from raysweep.config.space.distributions import show
from raysweep.config.space.parameter import Parameter

WHOLE = {
    "uniform": "int_uniform",
    "log_uniform": "q_log_uniform_values, whose min and max are the values themselves",
    "log_uniform_values": "q_log_uniform_values",
    "inv_log_uniform": "q_log_uniform_values, whose min and max are the values themselves",
    "inv_log_uniform_values": "q_log_uniform_values",
    "normal": "q_normal",
    "log_normal": "q_log_normal",
    "beta": "int_uniform",
}
"""Distribution of fractions → the nearest one of integers."""

EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")
"""The distributions whose bounds are exponents of e. Each has a sibling with `_values`."""

LEAST_EXPONENT, MOST_EXPONENT = 0.1, 20.0
"""Positive bounds below the first, or above the second (e to it is 485 million), are seldom meant
as exponents."""


def fractions(parameter: Parameter, field: str) -> tuple[Loc, str] | None:
    """Return (location in the parameter, text) if it draws fractions for a `field` of integers."""
    kind = parameter.kind
    if kind in WHOLE and parameter.distribution is not None:
        text = f"{kind} draws fractions, and {field} takes integers; use {WHOLE[kind]}"
        return ("distribution",), text
    if kind == "uniform":
        low, high = _nearest_whole(parameter.min), _nearest_whole(parameter.max)
        bounds = (
            f"min {found(parameter.min)} and max {found(parameter.max)} are a range of fractions"
        )
        return (), f"{bounds}, and {field} takes integers; write min: {low}, max: {high}"
    if kind.startswith("q_") and isinstance(parameter.q, float):
        text = f"multiples of {found(parameter.q)} are floats, and {field} takes integers"
        return ("q",), f"{text}; write q: {max(1, round(parameter.q))}"
    return None


def comes_from(parameter: Parameter, key: Loc, value: Any) -> str:
    """Explain which key a computed `value` comes from; empty if the author wrote it."""
    if len(key) != 1 or key[0] == "value":
        return ""
    written = getattr(parameter, str(key[0]))
    if written == value and type(written) is type(value):
        return ""
    kind = parameter.kind
    if kind.startswith("inv_log_uniform") and key[0] in ("min", "max") and kind in EXPONENTS:
        key = ("max",) if key == ("min",) else ("min",)
        written = getattr(parameter, str(key[0]))
    given = "its default" if written is None else show(written)
    return f", which {kind} computes from {key[0]} {given}"


def unlike_it_looks(parameter: Parameter, takes_fractions: bool) -> str | None:
    """Make a notice: what the parameter means, as in W&B, and how to write what may be meant."""
    low, high = parameter.min, parameter.max
    if low is None or high is None:
        return None
    if parameter.distribution is None and parameter.kind == "int_uniform" and takes_fractions:
        values = f"{low} or {high}" if high - low == 1 else f"integers from {low} to {high}"
        return (
            f"the integers min {low} and max {high} mean {values} (int_uniform, as in W&B); "
            f"for all numbers between them write min: {float(low)}, max: {float(high)}"
        )
    unusual = low > 0 and (low < LEAST_EXPONENT or high <= 1 or high > MOST_EXPONENT)
    if parameter.kind in EXPONENTS and unusual:
        return (
            f"min and max of {parameter.kind} are exponents of e, as in W&B, so its range is "
            f"{parameter.build().span()}; if {show(low)} and {show(high)} are the values "
            f"themselves, use {parameter.kind}_values"
        )
    return None


def _nearest_whole(bound: Any) -> int:
    whole: int = round(bound)
    return whole
