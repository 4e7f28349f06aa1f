"""One entry of `sweep.parameters`: W&B's search-space vocabulary, and the distribution it means.

Source of the names and of the defaults (q = 1, mu = 0, sigma = 1, a = 1, b = 1):
https://docs.wandb.ai/models/sweeps/sweep-config-keys. Without `distribution`, `value` is a
constant, `values` a choice, `values` with `probabilities` a weighted one, `min` and `max` a range:
of integers if both are integers, of steps if `q` is given.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from raysweep.config.explain import found, mistake
from raysweep.config.section import Section
from raysweep.config.space.distributions import Distribution, Json
from raysweep.config.space.kinds import KINDS, Kind


def _number(value: Any) -> Any:
    """Check for a finite number; its type stays, which distinguishes a range from steps."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and abs(value) <= sys.float_info.max:
        return value if isinstance(value, int) else float(value)
    raise mistake((), f"expected a finite number, got {found(value)}")


def _plain(value: Any) -> Any:
    """Check for plain JSON: values are recorded, and YAML has dates, sets, infinities."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise mistake(
            (), f"expected text, a number, true, false, null, or lists of them, got {found(value)}"
        ) from None
    return value


Plain = Annotated[Json, AfterValidator(_plain)]

Number = Annotated[int | float, PlainValidator(_number)]


class Parameter(Section):
    """The values of one swept field."""

    distribution: Kind | None = None
    """Name of the distribution; null means that it follows from the other keys."""

    value: Plain = None
    """The one value (constant)."""

    values: Annotated[tuple[Plain, ...], Field(strict=False, min_length=1)] | None = None
    """The choices (categorical, categorical_w_probabilities)."""

    probabilities: (
        Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False)] | None
    ) = None
    """Probability of each of `values`; they sum to 1."""

    min: Number | None = None
    """Lower bound, included. For log_uniform, the exponent: the bound is e to the power of it;
    for inv_log_uniform, e to the power of -max is the lowest value."""

    max: Number | None = None
    """Upper bound, included. For log_uniform, the exponent: the bound is e to the power of it;
    for inv_log_uniform, e to the power of -min is the highest value."""

    q: Number | None = None
    """Quantum of the q_ kinds: values are multiples of it. By default 1."""

    mu: Number | None = None
    """Mean of normal, and of the logarithm of log_normal. By default 0."""

    sigma: Number | None = None
    """Standard deviation of normal, and of the logarithm of log_normal. By default 1."""

    a: Number | None = None
    """First shape of beta, more than 0. By default 1."""

    b: Number | None = None
    """Second shape of beta, more than 0. By default 1."""

    @model_validator(mode="after")
    def _means_something(self) -> Parameter:
        self.build()
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Json]:
        """Serialize only the keys that were given: `value: null` differs from no `value`."""
        return {key: item for key, item in handler(self).items() if key in self.model_fields_set}

    def build(self) -> Distribution:
        """Make the distribution. Raises pydantic's ValidationError if the keys do not fit."""
        given, kind = self._given(), self.kind
        allowed, needed, make = KINDS[kind]
        if extra := sorted(given - set(allowed)):
            text = f"distribution {kind} takes {' and '.join(allowed)}, not {extra[0]}"
            raise mistake((extra[0],), text)
        if missing := [key for key in needed if key not in given]:
            raise mistake((missing[0],), f"missing; distribution {kind} needs it")
        return make(self)

    @property
    def kind(self) -> Kind:
        """W&B's name of the distribution, as written or as it follows from the keys."""
        if self.distribution is not None:
            return self.distribution
        given = self._given()
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

    def _given(self) -> set[str]:
        """Return the keys that are set: only for `value` is null a value."""
        keys = self.model_fields_set - {"distribution"}
        return {key for key in keys if key == "value" or getattr(self, key) is not None}
