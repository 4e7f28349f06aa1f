"""Ray Tune schedulers for `sweep.early_terminate`: which trial is stopped, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler

from raysweep.search.brackets import Brackets
from raysweep.search.median import MedianRule
from raysweep.search.order import SweepOrder
from raysweep.search.turns import InTurn

STOP, CONTINUE = FIFOScheduler.STOP, FIFOScheduler.CONTINUE


def is_report(result: Mapping[str, Any]) -> bool:
    """Return whether the result is a report, and not a failure or a sign that there is none yet."""
    return "failed" not in result and "silent" not in result


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
