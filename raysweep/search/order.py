"""`early_terminate` with `order: sweep`: hyperband whose decisions do not depend on timing.

At each bracket a trial is compared with the trials that precede it in the sweep and reach that
bracket, whenever they do. These are the trials that it would be compared with if trials ran one
after the other, so the decisions are those of a single worker.

There is no deadlock: a trial waits only for earlier ones, the first unfinished one waits for none,
and a waiting trial gives its worker back (see `trials/gate`), so waiting trials never keep an
earlier one from a worker.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Literal

Verdict = Literal["go", "stop", "wait"]


class SweepOrder:
    """Decides which trial continues past a bracket, is stopped there, or waits for earlier ones."""

    def __init__(
        self,
        brackets: Sequence[int],
        *,
        eta: int,
        goal: str,
        strict: bool = False,
        say: Callable[[int, int, Verdict], None] = lambda index, bracket, verdict: None,
    ) -> None:
        """`brackets`, `eta`, `goal` and `strict`: see `Brackets`. `say` is called with each verdict
        except "wait": the trial's index in the sweep, the bracket, and the verdict."""
        self._at = {bracket: _Reached() for bracket in brackets}
        self._eta = eta
        self._sign = 1 if goal == "minimize" else -1
        self._strict = strict
        self._say = say
        self._under_way: set[int] = set()
        self._best: dict[int, float] = {}
        self._waiting: dict[int, tuple[int, float]] = {}  # its bracket, and what is judged
        self._verdicts: dict[int, tuple[int, Verdict]] = {}

    def start(self, index: int) -> None:
        """Record that the trial has started. Trials start in the order of the sweep."""
        self._under_way.add(index)

    def report(self, index: int, epoch: int, value: float, *, last: bool = False) -> None:
        """Record the metric's `value` in the trial's epoch `epoch`, from 1. Idempotent. The trial
        is not judged at its `last` epoch, but others are compared with it."""
        value = self._sign * value if math.isfinite(value) else math.inf
        best = self._best[index] = min(value, self._best.get(index, math.inf))
        there = self._at.get(epoch)
        if there is None or index in there:
            return
        there.add(index, value)
        if index in self._under_way and not last:
            self._waiting[index] = (epoch, value if self._strict else best)
        self._settle()

    def end(self, index: int) -> None:
        """Record that the trial has ended and reaches no other bracket."""
        self._under_way.discard(index)
        self._waiting.pop(index, None)
        self._settle()

    def forget(self, index: int) -> None:
        """Forget the trial, which starts over. Verdicts on other trials stay."""
        for there in self._at.values():
            there.discard(index)
        self._best.pop(index, None)
        self._verdicts.pop(index, None)

    def verdict(self, index: int) -> Verdict:
        """Return the verdict on the trial at the last bracket that it has reached."""
        if index in self._waiting:
            return "wait"
        return self._verdicts[index][1] if index in self._verdicts else "go"

    def overrule(self, index: int) -> None:
        """Stop a trial that waited, since the sweep has ended meanwhile."""
        bracket, _ = self._verdicts[index]
        self._decide(index, bracket, "stop")

    def say_again(self, index: int) -> None:
        """Repeat the latest verdict: the process that received it may have died."""
        if index in self._verdicts and index not in self._waiting:
            self._say(index, *self._verdicts[index])

    def _settle(self) -> None:
        """Judge the waiting trials in the sweep's order, as a verdict affects later ones."""
        for index in sorted(self._waiting):
            bracket, judged = self._waiting[index]
            verdict = self._judge(index, bracket, judged)
            if verdict != "wait":
                del self._waiting[index]
                self._decide(index, bracket, verdict)

    def _decide(self, index: int, bracket: int, verdict: Verdict) -> None:
        self._verdicts[index] = (bracket, verdict)
        if verdict == "stop":
            self._under_way.discard(index)
        self._say(index, bracket, verdict)

    def _judge(self, index: int, bracket: int, judged: float) -> Verdict:
        """Stop it if more than n / eta (rounded down) of the n trials at the bracket, itself
        included, are better. "wait" only while trials that may still come could change that."""
        there = self._at[bracket]
        before, better = there.before(index, judged)
        coming = sum(other < index and other not in there for other in self._under_way)
        most = (before + 1 + coming) // self._eta
        if better > most:  # even if all that may come are worse
            return "stop"
        return "go" if better + coming <= most else "wait"  # even if all that may come are better


class _Reached:
    """The values of the trials that have reached a bracket. A trial is compared with all before it
    in the time that it takes to look through those after it, which are few."""

    def __init__(self) -> None:
        self._of: dict[int, float] = {}
        self._indices: list[int] = []
        self._values: list[float] = []

    def __contains__(self, index: int) -> bool:
        return index in self._of

    def add(self, index: int, value: float) -> None:
        self._of[index] = value
        insort(self._indices, index)
        insort(self._values, value)

    def discard(self, index: int) -> None:
        if index in self._of:
            del self._values[bisect_left(self._values, self._of.pop(index))]
            del self._indices[bisect_left(self._indices, index)]

    def before(self, index: int, value: float) -> tuple[int, int]:
        """Count the trials before `index`, and those of them with a smaller value."""
        place = bisect_left(self._indices, index)
        after = sum(self._of[other] < value for other in self._indices[place:])
        return place, bisect_left(self._values, value) - after
