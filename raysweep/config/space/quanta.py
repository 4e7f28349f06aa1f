"""Exact decimal multiples of a quantum: 3 × 0.1 is 0.3."""

from __future__ import annotations

import math
from fractions import Fraction


def exact(number: int | float) -> Fraction:
    """Return the decimal that was written: 0.1 is 1/10, not the nearest double."""
    return Fraction(repr(number))


def multiple(count: int, q: int | float) -> int | float:
    """Compute `count` × `q` in decimals: 3 × 0.1 is 0.3, not 0.30000000000000004."""
    return count * q if isinstance(q, int) else float(count * exact(q))


def count_of(value: int | float, q: int | float) -> int:
    """Divide `value`, a multiple of `q`, by `q`."""
    return round(exact(value) / exact(q))


def multiples_between(low: float, high: float, q: int | float) -> tuple[int, int]:
    """Return the first and last count whose multiple of `q` is in [low, high]; first > last if
    there is none."""
    return math.ceil(exact(low) / exact(q)), math.floor(exact(high) / exact(q))
