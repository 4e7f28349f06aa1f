"""Continuous distributions (uniform, normal, beta), and their rounding to steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from random import Random
from statistics import NormalDist

from raysweep.config.space.distributions import Distribution, Edges, show
from raysweep.config.space.quanta import exact, multiple, multiples_between

_STANDARD = NormalDist()
_TAIL = 2.0**-53
"""Probability of each tail of a normal distribution that its quantiles leave out: 8.2 sigma."""


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform from `min` to `max`; with `log`, the logarithm is uniform (then `min` > 0)."""

    min: float
    max: float
    log: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        return self.min, self.max

    def sample(self, rng: Random) -> float:
        return self.quantile(rng.random())

    def quantile(self, p: float) -> float:
        low, high = (math.log(self.min), math.log(self.max)) if self.log else self.bounds
        found = low + p * (high - low)
        found = math.exp(found) if self.log else found
        return min(max(found, self.min), self.max)  # the arithmetic may round past a bound

    def span(self) -> str:
        return f"{self.min:.6g} … {self.max:.6g}"

    def describe(self) -> str:
        return f"{self.span()}{', log-uniform' if self.log else ''}"

    def edges(self) -> Edges:
        return ((("min",), self.min), (("max",), self.max))


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal with mean `mu` and standard deviation `sigma`; with `log`, those of the logarithm."""

    mu: float
    sigma: float
    log: bool = False

    @property
    def bounds(self) -> None:
        return None

    def sample(self, rng: Random) -> float:
        return self._value(rng.gauss(0, 1))

    def quantile(self, p: float) -> float:
        return self._value(_STANDARD.inv_cdf(min(max(p, _TAIL), 1 - _TAIL)))

    def span(self) -> str:
        return f"mu {self.mu:.6g}, sigma {self.sigma:.6g}"

    def describe(self) -> str:
        return f"{'log-' if self.log else ''}normal, {self.span()}"

    def edges(self) -> Edges:
        """Return only the median: there are no bounds, so each sample is checked when drawn."""
        return ((("mu",), self._value(0)),)

    def _value(self, deviations: float) -> float:
        drawn = self.mu + self.sigma * deviations
        return math.exp(drawn) if self.log else drawn


@dataclass(frozen=True)
class Beta(Distribution):
    """Beta: from 0 to 1, with density x^(a-1) (1-x)^(b-1); uniform if a = b = 1."""

    a: float
    b: float

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, 1.0

    def sample(self, rng: Random) -> float:
        return rng.betavariate(self.a, self.b)

    def quantile(self, p: float) -> float:
        from scipy.special import betaincinv  # takes 0.3 s: only for sweeps with a beta

        return float(betaincinv(self.a, self.b, p))

    def span(self) -> str:
        return f"0 … 1, a {self.a:.6g}, b {self.b:.6g}"

    def describe(self) -> str:
        return f"beta, {self.span()}"

    def edges(self) -> Edges:
        """Return only the mean: the bounds are never drawn, and each sample is checked."""
        return ((("a",), self.a / (self.a + self.b)),)


@dataclass(frozen=True)
class Rounded(Distribution):
    """`inner`, rounded to the nearest multiple of `q` within its bounds.

    The first and the last multiple may be half as likely as the others.
    """

    inner: Uniform | Normal | Beta
    q: int | float

    @property
    def size(self) -> int | None:
        counts = self.counts
        return None if counts is None else counts[1] - counts[0] + 1

    @property
    def even(self) -> bool:
        return False

    def at(self, index: int) -> int | float:
        counts = self.counts
        assert counts is not None, "a normal distribution has no list of values"
        return multiple(counts[0] + index, self.q)

    def sample(self, rng: Random) -> int | float:
        return self._round(self.inner.sample(rng))

    def quantile(self, p: float) -> int | float:
        return self._round(self.inner.quantile(p))

    def span(self) -> str:
        if isinstance(self.inner, Uniform) and self.size is not None:
            return f"{show(self.at(0))} … {show(self.at(self.size - 1))} in steps of {show(self.q)}"
        return f"{self.inner.span()}, in steps of {show(self.q)}"

    def describe(self) -> str:
        if self.inner.describe() == self.inner.span():  # the shape has no name
            return self.span()
        return f"{self.inner.describe()}, in steps of {show(self.q)}"

    def edges(self) -> Edges:
        return tuple((place, self._round(value)) for place, value in self.inner.edges())

    def _round(self, value: float) -> int | float:
        count, counts = round(Fraction(value) / exact(self.q)), self.counts
        if counts is not None:
            count = min(max(count, counts[0]), counts[1])
        return multiple(count, self.q)

    @cached_property  # asked for at each value of each trial: half of what 10,000 take to check
    def counts(self) -> tuple[int, int] | None:
        """The first and last multiple within the bounds, in units of `q`; None: no bounds."""
        bounds = self.inner.bounds
        return None if bounds is None else multiples_between(*bounds, self.q)
