"""`sweep.early_terminate`: when a trial that falls behind is stopped."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from raysweep.config.explain import mistake
from raysweep.config.section import Section

Count = Annotated[int, Field(ge=1)]

MOST_BRACKETS = 100
"""W&B stops counting up from `min_iter` here; with eta = 2 that is beyond any number of epochs."""

FIRST = 3
"""The first bracket lies by default at the longest trial's epochs divided by this, rounded up."""
SHOWN_BRACKETS = 4
"""How many brackets are listed where nobody knows how long trials are."""

_KEYS = {
    "hyperband": {"min_iter", "max_iter", "s", "eta", "strict", "order"},
    "median": {"min_iter"},
}
"""Type → the keys that apply to it."""


class EarlyTerminate(Section):
    """Stop trials that fall behind, epoch by epoch. A stopped trial's model is logged, and may win.

    A bracket is an epoch at which trials are compared. Source of the arithmetic: W&B's package
    `sweeps` 0.3.0, `hyperband_stopping`.
    """

    type: Literal["hyperband", "median"]
    """hyperband: at each bracket about one trial in `eta` continues, as in W&B. median: a trial is
    stopped when its best epoch is worse than the median of the other trials' running means, once
    three others have reached the same epoch."""

    min_iter: Count | None = None
    """hyperband: the first bracket; the others are min_iter × eta, × eta², … By default, without
    max_iter, a third of the longest trial's epochs: earlier values say little of the last ones
    (docs/sweeps.md has a measurement). median: the epochs that every trial gets before it can be
    stopped; 1 by default."""

    max_iter: Count | None = None
    """hyperband, with `s`: brackets at max_iter / eta, …, max_iter / eta^s, rounded down."""

    s: Count | None = None
    """hyperband: the number of brackets, counted down from `max_iter`; brackets before epoch 1 are
    dropped."""

    eta: Annotated[int, Field(ge=2)] = 3
    """hyperband: 1 trial in `eta` continues at a bracket."""

    strict: bool = False
    """hyperband: judge a trial by its value at the bracket, not by its best so far."""

    order: Literal["arrival", "sweep"] = "arrival"
    """hyperband: which trials a trial is compared with at a bracket. arrival: those that reached it
    earlier, as in W&B; the outcome depends on timing. sweep: those that precede it in the sweep; it
    waits until they have reached the bracket, and the outcome does not depend on timing."""

    @model_validator(mode="after")
    def _keys_of_the_type(self) -> EarlyTerminate:
        if self.type == "median" and self.order == "sweep":
            text = "median compares trials at every epoch, so all would wait at each; use hyperband"
            raise mistake(("order",), text)
        if others := self.model_fields_set - _KEYS[self.type] - {"type"}:
            key, known = sorted(others)[0], ", ".join(sorted(_KEYS[self.type]))
            if getattr(self, key) != type(self).model_fields[key].default:
                raise mistake((key,), f"means nothing to {self.type}, which takes {known}")
        if self.type == "hyperband":
            self._one_way_or_the_other()
        return self

    def _one_way_or_the_other(self) -> None:
        if self.min_iter is None and (self.max_iter is None) != (self.s is None):
            raise mistake((), "give max_iter and s, or neither")
        if self.max_iter is not None and self.s is not None and self.max_iter < self.eta:
            text = (
                f"{self.max_iter} / eta {self.eta} is less than one epoch, so there is no bracket"
            )
            raise mistake(("max_iter",), f"{text}; expected at least {self.eta}")

    def brackets(self, longest: int | None) -> tuple[int, ...]:
        """Return the epochs (counted from 1) at which trials are compared, up to `longest`, sorted.
        `longest`: None where nobody knows; then hyperband has its first MOST_BRACKETS.

        hyperband: as W&B computes them. median: every epoch from `min_iter` on.
        """
        if self.type == "median":
            assert longest is not None, "median has no last bracket"
            return tuple(range(self.min_iter or 1, longest + 1))
        if self.max_iter is None or self.s is None:
            first = self.min_iter or math.ceil((longest or 1) / FIRST)
            found = [first * self.eta**k for k in range(MOST_BRACKETS)]
        else:
            down = range(1, min(self.s, self.max_iter.bit_length()) + 1)  # below: less than 1
            found = [self.max_iter // self.eta**k for k in down]
        return tuple(sorted({e for e in found if e >= 1 and (longest is None or e <= longest)}))

    def describe(self, longest: int | None) -> str:
        """Describe the rule and its first epoch, for people. `longest`: the most epochs of a trial,
        None where nobody knows."""
        if self.type == "median":
            first = self.min_iter or 1
            if longest is not None and first > longest:
                return f"median, which has no bracket within {longest} epochs"
            return f"median (from epoch {first})"
        places = self.brackets(longest)
        if not places:
            return f"hyperband, which has no bracket within {longest} epochs"
        endless = longest is None and len(places) > SHOWN_BRACKETS
        shown = ", ".join(map(str, places[:SHOWN_BRACKETS] if endless else places))
        shown += ", …" if endless else ""
        order = ", in the order of the sweep" if self.order == "sweep" else ""
        return f"hyperband (at epoch {shown}, 1 in {self.eta} continues{order})"
