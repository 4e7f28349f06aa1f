"""Distributions of a swept parameter: constant, categorical, integers; `curves` has the others.

Six shapes, and the rounding of three of them, cover W&B's eighteen names; `kinds` maps the names to
them and checks their invariants (min <= max, q > 0, …). Randomness is an argument.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from random import Random
from typing import Any, ClassVar

Json = Any
"""A value that `json.dumps` accepts."""

Edges = tuple[tuple[tuple[str | int, ...], Json], ...]
"""(location in the parameter, value): a field that accepts these accepts all between them."""


class Distribution(ABC):
    """The values that a parameter may take, and how likely each is."""

    @property
    def size(self) -> int | None:
        """Number of values; None if they cannot be listed (continuous, or without bounds)."""
        return None

    @property
    def even(self) -> bool:
        """Whether the values can be listed and are equally likely."""
        return self.size is not None

    @property
    def values(self) -> tuple[Json, ...] | None:
        """Return all values in the order of a grid; None if they cannot be listed."""
        return None if self.size is None else tuple(self.at(i) for i in range(self.size))

    def at(self, index: int) -> Json:
        """Return value number `index` of `size`."""
        raise AssertionError(f"{type(self).__name__} has no list of values")

    @abstractmethod
    def sample(self, rng: Random) -> Json:
        """Draw one value with `rng`."""

    @abstractmethod
    def quantile(self, p: float) -> Json:
        """Evaluate the inverse cumulative distribution at 0 <= `p` <= 1.

        With uniform `p` it is distributed as `sample`. It never decreases as `p` grows, in the
        order of the values.
        """

    @abstractmethod
    def span(self) -> str:
        """Describe the values, for people, without the name of the shape."""

    def describe(self) -> str:
        """Describe shape and values, for people, in few words."""
        return self.span()

    @abstractmethod
    def edges(self) -> Edges:
        """Return the values to check against the swept field before any trial starts."""


@dataclass(frozen=True)
class Constant(Distribution):
    """One value."""

    value: Json

    @property
    def size(self) -> int:
        return 1

    def at(self, index: int) -> Json:
        return self.value

    def sample(self, rng: Random) -> Json:
        return self.value

    def quantile(self, p: float) -> Json:
        return self.value

    def span(self) -> str:
        return show(self.value)

    def edges(self) -> Edges:
        return ((("value",), self.value),)


@dataclass(frozen=True)
class Categorical(Distribution):
    """One of `choices`: equally likely, or with `probabilities`, which sum to 1."""

    choices: tuple[Json, ...]
    probabilities: tuple[float, ...] | None = None

    @property
    def size(self) -> int:
        return len(self.choices)

    @property
    def even(self) -> bool:
        return self.probabilities is None

    def at(self, index: int) -> Json:
        return self.choices[index]

    def index(self, value: Json) -> int:
        """Return the index of the choice `value`; raise ValueError if it is not one.

        Choices that are equal in Python (1, 1.0 and true) are distinguished by type. If a record
        has lost the type (W&B writes 1.0 as 1), the first of the equal numbers is returned.
        """
        for alike in (_same, _equal):
            for index, choice in enumerate(self.choices):
                if alike(choice, value):
                    return index
        raise ValueError(f"{show(value)} is none of {self.span()}")

    def sample(self, rng: Random) -> Json:
        return rng.choices(self.choices, weights=self.probabilities)[0]

    def quantile(self, p: float) -> Json:
        if self.probabilities is None:
            return self.choices[min(int(p * len(self.choices)), len(self.choices) - 1)]
        possible = [i for i, share in enumerate(self.probabilities) if share > 0]
        reached = list(accumulate(self.probabilities[i] for i in possible))
        place = bisect_right(reached, p * reached[-1])  # a sum of decimals may differ from 1
        return self.choices[possible[min(place, len(possible) - 1)]]

    def span(self) -> str:
        shown = [show(choice) for choice in self.choices]
        if self.probabilities is not None:
            pairs = zip(shown, self.probabilities, strict=True)
            shown = [f"{choice} ({share:.3g})" for choice, share in pairs]
        return " | ".join(shown)

    def edges(self) -> Edges:
        return tuple((("values", index), choice) for index, choice in enumerate(self.choices))


@dataclass(frozen=True)
class Steps(Distribution):
    """The integers from `first` to `last`, equally likely."""

    first: int
    last: int

    q: ClassVar[int] = 1

    @property
    def counts(self) -> tuple[int, int]:
        """Return the first and the last value, in units of `q`."""
        return self.first, self.last

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def at(self, index: int) -> int:
        return self.first + index

    def sample(self, rng: Random) -> int:
        return rng.randint(self.first, self.last)

    def quantile(self, p: float) -> int:
        return self.at(min(math.floor(Fraction(p) * self.size), self.size - 1))

    def span(self) -> str:
        return f"{self.first} … {self.last}"

    def edges(self) -> Edges:
        return ((("min",), self.first), (("max",), self.last))


def show(value: Json) -> str:
    """Show `value` as YAML would write it; a float has six digits."""
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _same(one: Json, other: Json) -> bool:
    """Return whether both are the same JSON: 1, 1.0 and true are three values there."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _equal(one: Json, other: Json) -> bool:
    """Return whether both are equal numbers, texts or lists; true is not a number."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
