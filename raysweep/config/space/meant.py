"""What a parameter's writer probably meant, where W&B's vocabulary says something else."""

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
"""Distribution of fractions → the one of whole numbers that comes nearest to it."""

EXPONENTS = ("log_uniform", "q_log_uniform", "inv_log_uniform")
"""The distributions whose bounds are exponents of e. Each has a sibling with `_values`."""

LEAST_EXPONENT, MOST_EXPONENT = 0.1, 20.0
"""Bounds above 0 that are below the first, or above the second (e to it is 485 million), are seldom
meant as exponents."""


def fractions(parameter: Parameter, field: str) -> tuple[Loc, str] | None:
    """(place in the parameter, text) where it draws fractions, for a `field` of whole numbers."""
    kind = parameter.kind
    if kind in WHOLE and parameter.distribution is not None:
        text = f"{kind} draws fractions, and {field} takes whole numbers; use {WHOLE[kind]}"
        return ("distribution",), text
    if kind == "uniform":
        low, high = _nearest_whole(parameter.min), _nearest_whole(parameter.max)
        said = f"min {found(parameter.min)} and max {found(parameter.max)} are a range of fractions"
        return (), f"{said}, and {field} takes whole numbers; write min: {low}, max: {high}"
    if kind.startswith("q_") and isinstance(parameter.q, float):
        text = f"multiples of {found(parameter.q)} have a point, and {field} takes whole numbers"
        return ("q",), f"{text}; write q: {max(1, round(parameter.q))}"
    return None


def comes_from(parameter: Parameter, key: Loc, value: Any) -> str:
    """Where `value`, which its writer may never have seen, comes from; empty if it was written."""
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
    return f", which {kind} makes of {key[0]} {given}"


def unlike_it_looks(parameter: Parameter, takes_fractions: bool) -> str | None:
    """A notice: what the parameter means as in W&B, and how to write what may have been meant."""
    low, high = parameter.min, parameter.max
    if low is None or high is None:
        return None
    if parameter.distribution is None and parameter.kind == "int_uniform" and takes_fractions:
        values = f"{low} or {high}" if high - low == 1 else f"whole numbers from {low} to {high}"
        return (
            f"min {low} and max {high} without a point mean {values} (int_uniform, as in W&B); "
            f"for all numbers between them write min: {float(low)}, max: {float(high)}"
        )
    unusual = low > 0 and (low < LEAST_EXPONENT or high <= 1 or high > MOST_EXPONENT)
    if parameter.kind in EXPONENTS and unusual:
        return (
            f"min and max of {parameter.kind} are exponents of e, as in W&B, so it goes over "
            f"{parameter.build().span()}; if {show(low)} and {show(high)} are the values "
            f"themselves, use {parameter.kind}_values"
        )
    return None


def _nearest_whole(bound: Any) -> int:
    whole: int = round(bound)
    return whole
