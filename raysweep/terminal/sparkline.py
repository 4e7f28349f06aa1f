"""A metric's course in one line: `▁▃▆█▇`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

BARS = "▁▂▃▄▅▆▇█"
MOST = 60
"""Characters; a longer course is thinned out."""


def sparkline(values: Sequence[Any], most: int = MOST) -> str:
    """Draw the values, the lowest as ▁ and the highest as █; what is no finite number is a blank.

    Of more than `most` values, each character shows the mean of its share.
    """
    numbers = _shares([_finite(value) for value in values], most)
    finite = [number for number in numbers if number is not None]
    if not finite:
        return ""
    low, high, top = min(finite), max(finite), len(BARS) - 1
    span = high / 2 - low / 2  # halves: the difference of two large numbers may be infinite
    return "".join(
        " "
        if number is None
        else BARS[round((number / 2 - low / 2) / span * top) if span else top // 2]
        for number in numbers
    )


def _finite(value: Any) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _shares(numbers: list[float | None], most: int) -> list[float | None]:
    if len(numbers) <= most:
        return numbers
    edges = [len(numbers) * i // most for i in range(most + 1)]
    return [_mean(numbers[a:b]) for a, b in pairwise(edges)]


def _mean(share: Sequence[float | None]) -> float | None:
    finite = [number for number in share if number is not None]
    return sum(number / len(finite) for number in finite) if finite else None
