"""Multiples of a quantum as decimals are written: 3 × 0.1 is 0.3."""

from __future__ import annotations

import math
from fractions import Fraction


def exact(number: int | float) -> Fraction:
    """The decimal that was written: 0.1 is 1/10, and not the double nearest to it."""
    return Fraction(repr(number))


def multiple(count: int, q: int | float) -> int | float:
    """`count` × `q` as that decimal is written: 3 × 0.1 is 0.3, and not 0.30000000000000004."""
    return count * q if isinstance(q, int) else float(count * exact(q))


def count_of(value: int | float, q: int | float) -> int:
    """How many times `q` a multiple of it is."""
    return round(exact(value) / exact(q))


def multiples_between(low: float, high: float, q: int | float) -> tuple[int, int]:
    """First and last count whose multiple of `q` lies in [low, high]; first > last if none does."""
    return math.ceil(exact(low) / exact(q)), math.floor(exact(high) / exact(q))
