"""Ray Tune schedulers for `sweep.early_terminate`: which trial is stopped, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, MedianStoppingRule

from raysweep.cluster.tune_internals import forget_in_median
from raysweep.search.brackets import Brackets
from raysweep.search.order import SweepOrder

STOP, CONTINUE = FIFOScheduler.STOP, FIFOScheduler.CONTINUE


def is_report(result: Mapping[str, Any]) -> bool:
    """Return whether the result is a report, and not a failure or a sign that there is none yet."""
    return "failed" not in result and "silent" not in result


class Hyperband(FIFOScheduler):
    """Tune's scheduler over `Brackets`."""

    def __init__(self, brackets: Brackets, metric: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
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


class InOrder(FIFOScheduler):
    """Tune's scheduler over `SweepOrder`. A trial that has to wait is not stopped here: before its
    next epoch it asks the gate, and gives its worker back if necessary."""

    def __init__(self, order: SweepOrder, metric: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
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


class Median(MedianStoppingRule):
    """Ray's median rule with two corrections.

    A diverged trial does not stop all others: NaN would be the median of any values that it is
    among. A trial that another process continues keeps its history, though Tune makes a new object
    of it.
    """

    def __init__(self, metric: str, mode: str, grace_period: int) -> None:
        """`mode`: min or max. No trial is paused because there are too few others."""
        super().__init__(
            time_attr="epochs",
            metric=metric,
            mode=mode,
            grace_period=grace_period,
            min_time_slice=math.inf,  # type: ignore[arg-type]
        )
        self._watched = metric
        self._worst_value = -math.inf if mode == "max" else math.inf
        self._first_seen: dict[str, Any] = {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        if not is_report(result):
            return CONTINUE
        known = self._first_seen.setdefault(result["trial"], trial)
        decision: str = super().on_trial_result(tune_controller, known, self._without_nan(result))
        return decision

    def on_trial_complete(
        self, tune_controller: Any, trial: Any, result: Mapping[str, Any]
    ) -> None:
        if is_report(result):
            known = self._first_seen.setdefault(result["trial"], trial)
            super().on_trial_complete(tune_controller, known, self._without_nan(result))

    def forget(self, trial: str) -> None:
        """Forget the trial, which had failed and starts over."""
        known = self._first_seen.pop(trial, None)
        forget_in_median(self, known)

    def _without_nan(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Replace a value that is not finite by the worst number."""
        value = result.get(self._watched)
        bad = value is not None and not math.isfinite(value)
        return {**result, self._watched: self._worst_value} if bad else dict(result)
