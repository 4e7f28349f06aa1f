"""W&B's names of distributions: the keys of each, and the distribution that it stands for.

Source: https://docs.wandb.ai/models/sweeps/sweep-config-keys#distribution-options-for-random-and-bayesian-search.
The q_ kinds are round(X / q) * q, but never past a bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

from raysweep.config.explain import found, mistake
from raysweep.config.space.curves import Beta, Normal, Rounded, Uniform
from raysweep.config.space.distributions import Categorical, Constant, Distribution, Json, Steps
from raysweep.config.space.quanta import multiples_between

Kind = Literal[
    "constant",
    "categorical",
    "categorical_w_probabilities",
    "int_uniform",
    "uniform",
    "q_uniform",
    "log_uniform",
    "log_uniform_values",
    "q_log_uniform",
    "q_log_uniform_values",
    "inv_log_uniform",
    "inv_log_uniform_values",
    "normal",
    "q_normal",
    "log_normal",
    "q_log_normal",
    "beta",
    "q_beta",
]


class Keys(Protocol):
    """The keys of a parameter, each with its value; None where it was not given (see `Parameter`).

    A maker is called when the keys that its kind needs are there.
    """

    value: Json
    values: tuple[Json, ...] | None
    probabilities: tuple[float, ...] | None
    min: int | float | None
    max: int | float | None
    q: int | float | None
    mu: int | float | None
    sigma: int | float | None
    a: int | float | None
    b: int | float | None


def _constant(given: Keys) -> Distribution:
    return Constant(given.value)


def _categorical(given: Keys) -> Distribution:
    choices, odds = given.values or (), given.probabilities
    if odds is not None and len(odds) != len(choices):
        text = f"expected one for each of the {len(choices)} values, got {len(odds)}"
        raise mistake(("probabilities",), text)
    if odds is not None and not math.isclose(sum(odds), 1, abs_tol=1e-6):
        raise mistake(("probabilities",), f"expected a sum of 1, got {sum(odds):.6g}")
    return Categorical(choices, odds)


def _int_uniform(given: Keys) -> Distribution:
    low, high = _bounds(given)
    for key, bound in (("min", low), ("max", high)):
        if bound % 1 != 0:  # 1e4 is a float in YAML, but means an integer
            raise mistake((key,), f"expected an integer for int_uniform, got {found(bound)}")
    return Steps(int(low), int(high))


def _q_uniform(given: Keys) -> Distribution:
    inner, q = _uniform(given), _quantum(given)
    _multiples(inner.min, inner.max, q)
    return Rounded(inner, q)


def _uniform(given: Keys) -> Uniform:
    low, high = _bounds(given)
    return Uniform(float(low), float(high))


def _log_uniform(given: Keys) -> Uniform:
    low, high = _bounds(given)
    return Uniform(_power_of_e(low, "min"), _power_of_e(high, "max"), log=True)


def _q_log_uniform(given: Keys) -> Distribution:
    """Make the distribution; exponents are inexact: e^(ln 128) may be less than the 128 meant."""
    inner, q = _log_uniform(given), _quantum(given)
    slack = 1e-9
    inner = Uniform(inner.min * (1 - slack), inner.max * (1 + slack), log=True)
    _multiples(inner.min, inner.max, q)
    return Rounded(inner, q)


def _inv_log_uniform(given: Keys) -> Distribution:
    """Make the distribution: log(1/X) is uniform from min to max, so X is in [e^-max, e^-min]."""
    low, high = _bounds(given)
    return Uniform(_power_of_e(-high, "max"), _power_of_e(-low, "min"), log=True)


def _log_uniform_values(given: Keys) -> Uniform:
    low, high = _bounds(given)
    if low <= 0:
        raise mistake(("min",), f"expected more than 0, for its logarithm, got {found(low)}")
    return Uniform(float(low), float(high), log=True)


def _q_log_uniform_values(given: Keys) -> Distribution:
    inner, q = _log_uniform_values(given), _quantum(given)
    _multiples(inner.min, inner.max, q)
    return Rounded(inner, q)


def _normal(given: Keys) -> Normal:
    return Normal(*_curve(given))


def _log_normal(given: Keys) -> Normal:
    mu, sigma = _curve(given)
    _power_of_e(mu + 10 * sigma, "mu")  # 10 sigma: no sample goes beyond in the age of the universe
    return Normal(mu, sigma, log=True)


def _q_normal(given: Keys) -> Distribution:
    return Rounded(_normal(given), _quantum(given))


def _q_log_normal(given: Keys) -> Distribution:
    return Rounded(_log_normal(given), _quantum(given))


def _beta(given: Keys) -> Beta:
    shapes = []
    for key in ("a", "b"):
        shape = 1.0 if (written := getattr(given, key)) is None else float(written)
        if shape <= 0:
            raise mistake((key,), f"expected more than 0, got {found(written)}")
        shapes.append(shape)
    return Beta(*shapes)


def _q_beta(given: Keys) -> Distribution:
    return Rounded(_beta(given), _quantum(given))


def _bounds(given: Keys) -> tuple[int | float, int | float]:
    low, high = given.min, given.max
    assert low is not None
    assert high is not None
    if low > high:
        raise mistake((), f"min {found(low)} is above max {found(high)}")
    return low, high


def _quantum(given: Keys) -> int | float:
    q = 1 if given.q is None else given.q
    if q <= 0:
        raise mistake(("q",), f"expected more than 0, got {found(q)}")
    return q


def _multiples(low: float, high: float, q: int | float) -> tuple[int, int]:
    first, last = multiples_between(low, high, q)
    if first > last:
        raise mistake(("q",), f"no multiple of {q} lies between {low} and {high}")
    return first, last


def _curve(given: Keys) -> tuple[float, float]:
    mu = 0.0 if given.mu is None else float(given.mu)
    sigma = 1.0 if given.sigma is None else float(given.sigma)
    if sigma < 0:
        raise mistake(("sigma",), f"expected at least 0, got {found(sigma)}")
    return mu, sigma


def _power_of_e(exponent: float, key: str) -> float:
    if abs(exponent) > 700:  # the largest double is e to the power of 709.8
        raise mistake((key,), f"e to the power of {exponent:g} is too large or small for a float")
    return math.exp(exponent)


_RANGE, _STEPS = ("min", "max"), ("min", "max", "q")
_CURVE, _CURVE_STEPS = ("mu", "sigma"), ("mu", "sigma", "q")
_SHAPE, _SHAPE_STEPS = ("a", "b"), ("a", "b", "q")

KINDS: dict[Kind, tuple[tuple[str, ...], tuple[str, ...], Callable[[Keys], Distribution]]] = {
    "constant": (("value",), ("value",), _constant),
    "categorical": (("values",), ("values",), _categorical),
    "categorical_w_probabilities": (
        ("values", "probabilities"),
        ("values", "probabilities"),
        _categorical,
    ),
    "int_uniform": (_RANGE, _RANGE, _int_uniform),
    "uniform": (_RANGE, _RANGE, _uniform),
    "q_uniform": (_STEPS, _RANGE, _q_uniform),
    "log_uniform": (_RANGE, _RANGE, _log_uniform),
    "log_uniform_values": (_RANGE, _RANGE, _log_uniform_values),
    "q_log_uniform": (_STEPS, _RANGE, _q_log_uniform),
    "q_log_uniform_values": (_STEPS, _RANGE, _q_log_uniform_values),
    "inv_log_uniform": (_RANGE, _RANGE, _inv_log_uniform),
    # log(1/X) uniform from log(1/max) to log(1/min) is log(X) uniform from log(min) to log(max).
    "inv_log_uniform_values": (_RANGE, _RANGE, _log_uniform_values),
    "normal": (_CURVE, (), _normal),
    "q_normal": (_CURVE_STEPS, (), _q_normal),
    "log_normal": (_CURVE, (), _log_normal),
    "q_log_normal": (_CURVE_STEPS, (), _q_log_normal),
    "beta": (_SHAPE, (), _beta),
    "q_beta": (_SHAPE_STEPS, (), _q_beta),
}
"""Name → allowed keys, required keys, and the function that makes the distribution."""
