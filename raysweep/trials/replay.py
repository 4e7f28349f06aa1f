"""Replay a journal: bring search, scheduler, budget and progress to the state that they had in the
driver that died."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from raysweep.cluster.tune_internals import stub_trial
from raysweep.search.budget import Budget
from raysweep.search.schedulers import Hyperband, Median
from raysweep.search.searcher import BudgetStopper, TrialSearcher, finite
from raysweep.search.spec import BEST_SCORE, TrialSpec
from raysweep.storage.journal import Journal
from raysweep.storage.past import Past
from raysweep.trials.progress import Progress
from raysweep.trials.reports import TrialReport, result_of


class Replay:
    """Calls searcher, scheduler, budget and progress for each event, as Tune called them.

    The recorded decisions count: none is made again, since it could differ now that time has
    passed."""

    def __init__(
        self,
        searcher: TrialSearcher,
        scheduler: TrialScheduler,
        stopper: BudgetStopper,
        budget: Budget,
        progress: Progress,
    ) -> None:
        self._searcher = searcher
        self._scheduler: Any = scheduler
        self._stopper = stopper
        self._budget = budget
        self._progress = progress
        self._specs: dict[int, TrialSpec] = {}
        self._results: dict[int, dict[str, Any]] = {}
        self._to_end: dict[int, TrialSpec] = {}
        self._reported: set[int] = set()
        """Trials of whose end the scheduler and the searcher were notified."""

    def play(self, past: Past) -> None:
        """Replay every event. From then on the searcher first hands out the trials that had not
        ended."""
        steps: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "trial": self._trial,
            "epoch": self._epoch,
            "ended": self._ended,
            "retry": self._retry,
            "died": self._died,
            "budget": lambda event: self._budget.ended_before(event["why"]),
        }
        for event in past.events:
            if event["event"] in steps:
                steps[event["event"]](event)
        for row in self._progress.trials:
            if row.state != "running":  # the observer hears of these when they continue
                self._progress.keep(row)
        epochs = past.epochs_told()
        left = [self._specs[index] for index in epochs if index not in self._to_end]
        for spec in self._to_end.values():  # the driver died between the decision and the end
            self._progress.end(spec)
            self._end(spec, "stopped")
        for spec in left:
            self._searcher.again(spec.continued(epochs[spec.index]))

    def retry_failed(self, journal: Journal, forget: Callable[[str], None]) -> None:
        """Run failed trials again from their beginning, as far as the budgets allow. `forget`
        removes a trial's checkpoint."""
        for row in self._progress.trials:
            if row.state == "failed" and self._budget.may_go_on(row.name):
                forget(row.name)
                journal.write("retry", index=row.index)
                self._begin_again(row.index)
                self._searcher.again(self._specs[row.index].continued(0))

    def _retry(self, event: Mapping[str, Any]) -> None:
        self._budget.went_on_before(self._specs[event["index"]].name)
        self._begin_again(event["index"])

    def _begin_again(self, index: int) -> None:
        spec = self._specs[index]
        self._reported.discard(index)
        self._results.pop(index, None)
        if isinstance(self._scheduler, (Hyperband, Median)):
            self._scheduler.forget(spec.name)
        self._searcher.begin_again(spec)
        self._progress.begin_again(spec)

    def _trial(self, event: Mapping[str, Any]) -> None:
        spec = self._searcher.started_before(event["values"])
        self._specs[spec.index] = spec
        self._scheduler.on_trial_add(None, stub_trial(spec.name))
        self._progress.recall(self._progress.row(spec))

    def _epoch(self, event: Mapping[str, Any]) -> None:
        spec, report = self._specs[event["index"]], TrialReport.of(event)
        result = result_of(spec, report, self._progress.metric)
        self._results[spec.index] = result
        self._stopper.see(result)
        if event["ends"]:
            self._to_end[spec.index] = spec
            self._budget.done(spec.name)
        else:
            self._budget.went_on_before(spec.name)
        if not report.last:
            self._scheduler.on_trial_result(None, stub_trial(spec.name), result)
        self._progress.recall(self._progress.after(self._progress.row(spec), report))

    def _died(self, event: Mapping[str, Any]) -> None:
        self._progress.died(self._specs[event["index"]], event["counts"])

    def _ended(self, event: Mapping[str, Any]) -> None:
        spec = self._specs[event["index"]]
        self._to_end.pop(spec.index, None)
        if spec.index not in self._reported:  # else it failed after its end: its model was lost
            self._end(spec, event["state"])
        row = self._progress.row(spec)
        keys = ("error", "where", "traceback")  # an earlier raysweep wrote the first alone
        told: dict[str, Any] = {key: event.get(key) for key in keys}
        self._progress.recall(replace(row, state=event["state"], **told))

    def _end(self, spec: TrialSpec, state: str) -> None:
        self._reported.add(spec.index)
        result = self._results.get(spec.index)
        if state == "failed" or result is None:
            self._scheduler.on_trial_error(None, stub_trial(spec.name))
            self._searcher.ended(spec, None, failed=True)
        else:
            self._scheduler.on_trial_complete(None, stub_trial(spec.name), result)
            self._searcher.ended(spec, finite(result[BEST_SCORE]))
