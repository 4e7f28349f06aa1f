"""W&B's hyperband, without Ray: which trial falls behind."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence


class Brackets:
    """W&B's hyperband: decides which trials fall behind, from every trial's history.

    The threshold of a bracket is the value that the best 1 in `eta` of the trials that have reached
    it attain: of their sorted values, entry n / eta, rounded down, from 0. A trial is compared with
    the threshold of the last bracket that it has passed, and stopped if its best value so far is
    worse; with `strict`, if its value at the bracket itself is. (W&B's package `sweeps` 0.3.0,
    `hyperband_stopping`.)

    Differences: W&B's server judges the running trials whenever an agent asks; here a trial is
    judged at the end of each of its epochs, on what the others have reported by then. No trial
    waits for a bracket to fill, so early trials are judged on few values, as in ASHA (Li et al.
    2018, arXiv:1810.05934), and judged again at each later epoch. W&B drops a value that is not
    finite from the history; here it counts as the worst, in its place.
    """

    def __init__(
        self, brackets: Sequence[int], *, eta: int, goal: str, strict: bool = False
    ) -> None:
        """`brackets`: epochs, from 1, ascending. `goal`: minimize or maximize."""
        self._brackets = tuple(brackets)
        self._eta = eta
        self._sign = 1 if goal == "minimize" else -1
        self._strict = strict
        self._histories: dict[str, list[float]] = {}
        self._there: dict[int, list[float]] = {bracket: [] for bracket in brackets}
        """Bracket → the values at it, sorted: sorting them at each report would take the driver
        longer the more trials there are."""

    def report(self, trial: str, epoch: int, value: float) -> None:
        """Record the metric's `value` in the trial's epoch `epoch`, from 1. Idempotent."""
        history = self._histories.setdefault(trial, [])
        if epoch > len(history):
            history.append(self._sign * value if math.isfinite(value) else math.inf)
            if len(history) in self._there:
                insort(self._there[len(history)], history[-1])

    def forget(self, trial: str) -> None:
        """Forget the trial, which starts over."""
        history = self._histories.pop(trial, [])
        for bracket, there in self._there.items():
            if bracket <= len(history):
                del there[bisect_left(there, history[bracket - 1])]

    def falls_behind(self, trial: str) -> bool:
        """Return whether the trial is to stop after its latest epoch."""
        history = self._histories[trial]
        passed = [bracket for bracket in self._brackets if bracket <= len(history)]
        if not passed:
            return False
        judged = history[passed[-1] - 1] if self._strict else min(history)
        return judged > self._threshold(passed[-1])

    def _threshold(self, bracket: int) -> float:
        """Return the worst value that continues; smaller is better."""
        there = self._there[bracket]
        return there[len(there) // self._eta]
