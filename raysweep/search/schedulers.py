"""Ray Tune schedulers for `sweep.early_terminate`: which trial is stopped, and when."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.schedulers import FIFOScheduler

from raysweep.search.median import MedianRule
from raysweep.search.order import SweepOrder
from raysweep.search.turns import InTurn

STOP, CONTINUE = FIFOScheduler.STOP, FIFOScheduler.CONTINUE


def is_report(result: Mapping[str, Any]) -> bool:
    """Return whether the result is a report, and not a failure or a sign that there is none yet."""
    return "failed" not in result and "silent" not in result


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


class Hyperband(InTurn):
    """Tune's scheduler over `Brackets`."""

    def __init__(self, brackets: Brackets, metric: str) -> None:
        super().__init__()
        self._brackets = brackets
        self._watched = metric

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        if not is_report(result):
            return CONTINUE
        self._report(result)
        return STOP if self._brackets.falls_behind(result["trial"]) else CONTINUE

    def on_trial_complete(
        self, tune_controller: Any, trial: Any, result: Mapping[str, Any]
    ) -> None:
        """Record the trial's last epoch, which Tune passes only to this method."""
        if is_report(result):
            self._report(result)

    def forget(self, trial: str) -> None:
        """Forget the trial, which had failed and starts over."""
        self._brackets.forget(trial)

    def _report(self, result: Mapping[str, Any]) -> None:
        self._brackets.report(result["trial"], result["epochs"], result[self._watched])


class InOrder(InTurn):
    """Tune's scheduler over `SweepOrder`. A trial that has to wait is not stopped here: before its
    next epoch it asks the gate, and gives its worker back if necessary."""

    def __init__(self, order: SweepOrder, metric: str) -> None:
        super().__init__()
        self._order = order
        self._watched = metric

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        if is_report(result):
            self._report(result, last=False)
        return STOP if self._order.verdict(index_of(result["trial"])) == "stop" else CONTINUE

    def on_trial_complete(
        self, tune_controller: Any, trial: Any, result: Mapping[str, Any]
    ) -> None:
        """Record the trial's last epoch, which Tune passes only to this method."""
        if is_report(result) and "gate" not in result:
            self._report(result, last=True)

    def _report(self, result: Mapping[str, Any], *, last: bool) -> None:
        index, value = index_of(result["trial"]), result[self._watched]
        self._order.report(index, result["epochs"], value, last=last)


def index_of(trial: str) -> int:
    """Return the trial's index in the sweep: `trial-0003` → 3."""
    return int(trial.rpartition("-")[2])


class Median(InTurn):
    """Tune's scheduler over `MedianRule`."""

    def __init__(self, rule: MedianRule, metric: str) -> None:
        super().__init__()
        self._rule = rule
        self._watched = metric

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        if not is_report(result):
            return CONTINUE
        self._report(result)
        return STOP if self._rule.falls_behind(result["trial"], result["epochs"]) else CONTINUE

    def on_trial_complete(
        self, tune_controller: Any, trial: Any, result: Mapping[str, Any]
    ) -> None:
        """Record the trial's last epoch, which Tune passes only to this method."""
        if is_report(result):
            self._report(result)

    def forget(self, trial: str) -> None:
        """Forget the trial, which had failed and starts over."""
        self._rule.forget(trial)

    def _report(self, result: Mapping[str, Any]) -> None:
        self._rule.report(result["trial"], result["epochs"], result[self._watched])
