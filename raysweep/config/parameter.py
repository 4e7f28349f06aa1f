"""One entry of `sweep.parameters`: W&B's search-space vocabulary, and the distribution it means.

Source of the names and of the defaults (q = 1, mu = 0, sigma = 1):
https://docs.wandb.ai/models/sweeps/sweep-config-keys. Without `distribution`, `value` is a
constant, `values` a choice, `values` with `probabilities` a weighted one, `min` and `max` a range:
of whole numbers where both are, of steps where `q` is given.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from raysweep.config.distributions import (
    Categorical,
    Constant,
    Distribution,
    Json,
    Normal,
    Rounded,
    Steps,
    Uniform,
    multiples_between,
)
from raysweep.config.explain import found, mistake
from raysweep.config.sections import Section

Kind = Literal[
    "constant",
    "categorical",
    "categorical_w_probabilities",
    "int_uniform",
    "uniform",
    "q_uniform",
    "log_uniform",
    "log_uniform_values",
    "q_log_uniform_values",
    "inv_log_uniform_values",
    "normal",
    "q_normal",
    "log_normal",
    "q_log_normal",
]


def _number(value: Any) -> Any:
    """A finite number, of the type it was written in: the type tells a range from steps."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and abs(value) <= sys.float_info.max:
        return value if isinstance(value, int) else float(value)
    raise mistake((), f"expected a finite number, got {found(value)}")


Number = Annotated[int | float, PlainValidator(_number)]


class Parameter(Section):
    """What one swept field may be."""

    distribution: Kind | None = None
    """How the values are spread; null means: as the other keys say."""

    value: Json = None
    """The one value (constant)."""

    values: Annotated[tuple[Json, ...], Field(strict=False, min_length=1)] | None = None
    """The choices (categorical, categorical_w_probabilities)."""

    probabilities: (
        Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False)] | None
    ) = None
    """Probability of each of `values`; they sum to 1."""

    min: Number | None = None
    """Lower bound, included. For log_uniform, the exponent: the bound is e to the power of it."""

    max: Number | None = None
    """Upper bound, included. For log_uniform, the exponent: the bound is e to the power of it."""

    q: Number | None = None
    """Quantum of the q_ kinds: values are multiples of it. By default 1."""

    mu: Number | None = None
    """Mean of normal, and of the logarithm of log_normal. By default 0."""

    sigma: Number | None = None
    """Standard deviation of normal, and of the logarithm of log_normal. By default 1."""

    @model_validator(mode="after")
    def _means_something(self) -> Parameter:
        self.build()
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Json]:
        """Only the keys that were given: `value: null` differs from no `value`."""
        return {key: item for key, item in handler(self).items() if key in self.model_fields_set}

    def build(self) -> Distribution:
        """The distribution. Raises pydantic's ValidationError where the keys do not fit."""
        keys = self.model_fields_set - {"distribution"}
        given = {key for key in keys if key == "value" or getattr(self, key) is not None}
        kind = self.distribution or self._infer(given)
        allowed, needed, make = _KINDS[kind]
        if extra := sorted(given - set(allowed)):
            text = f"distribution {kind} takes {' and '.join(allowed)}, not {extra[0]}"
            raise mistake((extra[0],), text)
        if missing := [key for key in needed if key not in given]:
            raise mistake((missing[0],), f"missing; distribution {kind} needs it")
        return make(self)

    def _infer(self, given: set[str]) -> Kind:
        if "value" in given:
            return "constant"
        if "values" in given:
            return "categorical_w_probabilities" if "probabilities" in given else "categorical"
        if not given & {"min", "max"}:
            raise mistake((), "give value, values, or min and max, or name a distribution")
        if "q" in given:
            return "q_uniform"
        whole = isinstance(self.min, int) and isinstance(self.max, int)
        return "int_uniform" if whole else "uniform"


def _constant(given: Parameter) -> Distribution:
    return Constant(given.value)


def _categorical(given: Parameter) -> Distribution:
    choices, odds = given.values or (), given.probabilities
    if odds is not None and len(odds) != len(choices):
        text = f"expected one for each of the {len(choices)} values, got {len(odds)}"
        raise mistake(("probabilities",), text)
    if odds is not None and not math.isclose(sum(odds), 1, abs_tol=1e-6):
        raise mistake(("probabilities",), f"expected a sum of 1, got {sum(odds):.6g}")
    return Categorical(choices, odds)


def _int_uniform(given: Parameter) -> Distribution:
    low, high = _bounds(given)
    for key, bound in (("min", low), ("max", high)):
        if not isinstance(bound, int):
            raise mistake((key,), f"expected a whole number for int_uniform, got {found(bound)}")
    return Steps(int(low), int(high))


def _q_uniform(given: Parameter) -> Distribution:
    return Steps(*_multiples(*_bounds(given), _quantum(given)), _quantum(given))


def _uniform(given: Parameter) -> Distribution:
    low, high = _bounds(given)
    return Uniform(float(low), float(high))


def _log_uniform(given: Parameter) -> Distribution:
    low, high = _bounds(given)
    return Uniform(_power_of_e(low, "min"), _power_of_e(high, "max"), log=True)


def _log_uniform_values(given: Parameter) -> Uniform:
    low, high = _bounds(given)
    if low <= 0:
        raise mistake(("min",), f"expected more than 0, for its logarithm, got {found(low)}")
    return Uniform(float(low), float(high), log=True)


def _q_log_uniform_values(given: Parameter) -> Distribution:
    inner, q = _log_uniform_values(given), _quantum(given)
    _multiples(inner.min, inner.max, q)
    return Rounded(inner, q)


def _normal(given: Parameter) -> Normal:
    return Normal(*_curve(given))


def _log_normal(given: Parameter) -> Normal:
    mu, sigma = _curve(given)
    _power_of_e(mu + 10 * sigma, "mu")  # 10 sigma: no sample goes beyond in the age of the universe
    return Normal(mu, sigma, log=True)


def _q_normal(given: Parameter) -> Distribution:
    return Rounded(_normal(given), _quantum(given))


def _q_log_normal(given: Parameter) -> Distribution:
    return Rounded(_log_normal(given), _quantum(given))


def _bounds(given: Parameter) -> tuple[int | float, int | float]:
    low, high = given.min, given.max
    assert low is not None
    assert high is not None
    if low > high:
        raise mistake((), f"min {found(low)} is above max {found(high)}")
    return low, high


def _quantum(given: Parameter) -> int | float:
    q = 1 if given.q is None else given.q
    if q <= 0:
        raise mistake(("q",), f"expected more than 0, got {found(q)}")
    return q


def _multiples(low: float, high: float, q: int | float) -> tuple[int, int]:
    first, last = multiples_between(low, high, q)
    if first > last:
        raise mistake(("q",), f"no multiple of {q} lies between {low} and {high}")
    return first, last


def _curve(given: Parameter) -> tuple[float, float]:
    mu = 0.0 if given.mu is None else float(given.mu)
    sigma = 1.0 if given.sigma is None else float(given.sigma)
    if sigma < 0:
        raise mistake(("sigma",), f"expected at least 0, got {found(sigma)}")
    return mu, sigma


def _power_of_e(exponent: float, key: str) -> float:
    if abs(exponent) > 700:  # the largest double is e to the power of 709.8
        raise mistake((key,), f"e to the power of {exponent:g} is no number that a computer holds")
    return math.exp(exponent)


_RANGE, _STEPS = ("min", "max"), ("min", "max", "q")
_CURVE, _CURVE_STEPS = ("mu", "sigma"), ("mu", "sigma", "q")

_KINDS: dict[Kind, tuple[tuple[str, ...], tuple[str, ...], Callable[[Parameter], Distribution]]] = {
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
    "q_log_uniform_values": (_STEPS, _RANGE, _q_log_uniform_values),
    # log(1/X) even between log(1/max) and log(1/min) is log(X) even between log(min) and log(max).
    "inv_log_uniform_values": (_RANGE, _RANGE, _log_uniform_values),
    "normal": (_CURVE, (), _normal),
    "q_normal": (_CURVE_STEPS, (), _q_normal),
    "log_normal": (_CURVE, (), _log_normal),
    "q_log_normal": (_CURVE_STEPS, (), _q_log_normal),
}
"""Name → the keys it takes, those of them it needs, and what makes the distribution of them."""
