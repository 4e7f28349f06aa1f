"""Numbers written as text (`["0.1", 0.2]`), and numbers that are too large to store."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_WHOLE = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?\Z")
_MOST_DIGITS = 300
"""A double has no more before its point."""


def coerced(values: Sequence[Any]) -> list[Any]:
    """Convert numerals in `values` to numbers if any other value is a number.

    If all are texts they stay: their author may mean names ("3x3", "5").
    """
    if not any(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values):
        return list(values)
    return [_number(each) for each in values]


TOO_LARGE = (
    "an integer beyond 64 bits, which no tracker keeps exactly; give it as text, in quotes, or "
    "as a number with a point"
)


def too_large(value: Any) -> tuple[int | str, ...] | None:
    """Find an integer beyond 64 bits in `value`: the keys that lead to it, or None."""
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**63 else ()
    inside: Any = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, (list, tuple)):
        inside = enumerate(value)
    for key, each in inside:
        if (found := too_large(each)) is not None:
            return (key, *found)
    return None


def _number(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > _MOST_DIGITS:
        return value
    if _WHOLE.match(value):
        return int(value)
    return float(value) if _FLOAT.match(value) else value
