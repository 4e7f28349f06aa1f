"""What a swept parameter may be: a constant, a choice, steps, a range, a bell curve.

Five shapes, and a rounding of two of them, cover W&B's fourteen names; `parameter.py` maps the
names to them and holds their invariants (min <= max, q > 0, …). Randomness is an argument.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

Json = Any
"""A value that `json.dumps` takes."""

Edges = tuple[tuple[tuple[str | int, ...], Json], ...]
"""(place in the parameter, value): a field that takes these takes what lies between them."""


class Distribution(ABC):
    """The values that a parameter may take, and how likely each is."""

    @property
    def size(self) -> int | None:
        """How many values there are to list; None for a continuum or a bell curve."""
        return None

    @property
    def even(self) -> bool:
        """Whether the values can be listed and are equally likely."""
        return self.size is not None

    @property
    def values(self) -> tuple[Json, ...] | None:
        """All values in order, as a grid goes through them; None where they cannot be listed."""
        return None if self.size is None else tuple(self.at(i) for i in range(self.size))

    def at(self, index: int) -> Json:
        """Value number `index` of `size`."""
        raise AssertionError(f"{type(self).__name__} has no list of values")

    @abstractmethod
    def sample(self, rng: Random) -> Json:
        """One value, drawn with `rng`."""

    @abstractmethod
    def describe(self) -> str:
        """For people, in as few words as it goes."""

    @abstractmethod
    def edges(self) -> Edges:
        """The values to try on the swept field before any trial starts."""


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

    def describe(self) -> str:
        return _show(self.value)

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

    def sample(self, rng: Random) -> Json:
        return rng.choices(self.choices, weights=self.probabilities)[0]

    def describe(self) -> str:
        shown = [_show(choice) for choice in self.choices]
        if self.probabilities is not None:
            pairs = zip(shown, self.probabilities, strict=True)
            shown = [f"{choice} ({share:.3g})" for choice, share in pairs]
        return " | ".join(shown)

    def edges(self) -> Edges:
        return tuple((("values", index), choice) for index, choice in enumerate(self.choices))


@dataclass(frozen=True)
class Steps(Distribution):
    """`first` × `q` to `last` × `q` in steps of `q`, equally likely; whole numbers where `q` is."""

    first: int
    last: int
    q: int | float = 1

    @property
    def min(self) -> int | float:
        return multiple(self.first, self.q)

    @property
    def max(self) -> int | float:
        return multiple(self.last, self.q)

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def at(self, index: int) -> int | float:
        return multiple(self.first + index, self.q)

    def sample(self, rng: Random) -> int | float:
        return multiple(rng.randint(self.first, self.last), self.q)

    def describe(self) -> str:
        return f"{_show(self.min)} … {_show(self.max)} in steps of {_show(self.q)}"

    def edges(self) -> Edges:
        return ((("min",), self.min), (("max",), self.max))


@dataclass(frozen=True)
class Uniform(Distribution):
    """Any number from `min` to `max`, evenly; with `log`, its logarithm evenly (then `min` > 0)."""

    min: float
    max: float
    log: bool = False

    def sample(self, rng: Random) -> float:
        if self.log:
            drawn = math.exp(rng.uniform(math.log(self.min), math.log(self.max)))
        else:
            drawn = rng.uniform(self.min, self.max)
        return min(max(drawn, self.min), self.max)  # the arithmetic may round past a bound

    def describe(self) -> str:
        return f"{self.min:.6g} … {self.max:.6g}{', log-uniform' if self.log else ''}"

    def edges(self) -> Edges:
        return ((("min",), self.min), (("max",), self.max))


@dataclass(frozen=True)
class Normal(Distribution):
    """A bell curve of mean `mu` and deviation `sigma`; with `log`, that of the logarithm."""

    mu: float
    sigma: float
    log: bool = False

    def sample(self, rng: Random) -> float:
        drawn = rng.gauss(self.mu, self.sigma)
        return math.exp(drawn) if self.log else drawn

    def describe(self) -> str:
        return f"{'log-' if self.log else ''}normal, mu {self.mu:.6g}, sigma {self.sigma:.6g}"

    def edges(self) -> Edges:
        """The median alone: the curve has no bounds, so each sample is checked when it is drawn."""
        return ((("mu",), math.exp(self.mu) if self.log else self.mu),)


@dataclass(frozen=True)
class Rounded(Distribution):
    """`inner`, rounded to the nearest multiple of `q` that lies within its bounds."""

    inner: Uniform | Normal
    q: int | float

    def sample(self, rng: Random) -> int | float:
        return self._round(self.inner.sample(rng))

    def describe(self) -> str:
        return f"{self.inner.describe()}, in steps of {_show(self.q)}"

    def edges(self) -> Edges:
        return tuple((place, self._round(value)) for place, value in self.inner.edges())

    def _round(self, value: float) -> int | float:
        count = round(Fraction(value) / exact(self.q))
        if isinstance(self.inner, Uniform):
            first, last = multiples_between(self.inner.min, self.inner.max, self.q)
            count = min(max(count, first), last)
        return multiple(count, self.q)


def exact(number: int | float) -> Fraction:
    """The decimal that was written: 0.1 is 1/10, and not the double nearest to it."""
    return Fraction(repr(number))


def multiple(count: int, q: int | float) -> int | float:
    """`count` × `q` as that decimal is written: 3 × 0.1 is 0.3, and not 0.30000000000000004."""
    return count * q if isinstance(q, int) else float(count * exact(q))


def multiples_between(low: float, high: float, q: int | float) -> tuple[int, int]:
    """First and last count whose multiple of `q` lies in [low, high]; first > last if none does."""
    return math.ceil(exact(low) / exact(q)), math.floor(exact(high) / exact(q))


def _show(value: Json) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
