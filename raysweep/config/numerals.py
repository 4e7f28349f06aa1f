"""Numbers that were written as text: `["0.1", 0.2]`, as quotes or another program leave them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_WHOLE = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?\Z")
_MOST_DIGITS = 300
"""No double has more before its point."""


def coerced(values: Sequence[Any]) -> list[Any]:
    """`values`, in which texts that are numerals are numbers if any other value is a number.

    Where all are texts they stay: their writer may mean names ("3x3", "5").
    """
    if not any(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values):
        return list(values)
    return [_number(each) for each in values]


def _number(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > _MOST_DIGITS:
        return value
    if _WHOLE.match(value):
        return int(value)
    return float(value) if _FLOAT.match(value) else value
