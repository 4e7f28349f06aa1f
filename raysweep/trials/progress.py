"""The leaderboard of a sweep: turns Ray Tune's callbacks into events, journals these and notifies
the observer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Thread
from typing import Any

from ray import tune
from ray.exceptions import RayActorError, RayTaskError

from raysweep.cluster import signals
from raysweep.cluster.logs import SweepLogs
from raysweep.cluster.tune_internals import error_of
from raysweep.config import Config
from raysweep.config.failure import Failure
from raysweep.events import Observer, TrialState, TrialUpdated, silent
from raysweep.search.failures import FailedFast, Failures
from raysweep.search.searcher import TrialSearcher
from raysweep.search.spec import TrialSpec
from raysweep.storage.journal import Journal
from raysweep.storage.stop import StorageLost
from raysweep.trials.reports import TrialReport


class Progress(tune.Callback):
    """The latest row of every trial. Each event is journalled first, then sent to the observer."""

    def __init__(
        self,
        config: Config,
        observer: Observer,
        journal: Journal,
        forget: Callable[[str], None] = lambda trial: None,
        epochs_of: Callable[[Mapping[str, Any]], int | None] = lambda values: None,
        logs: SweepLogs | None = None,
        fail_fast: bool = False,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin with no rows.

        forget: called with the name of a trial whose checkpoint is no longer needed.
        epochs_of: a trial's values → how many reports it will make, None where that is not known.
        logs: get a line for each process that died.
        fail_fast: raise FailedFast at the first trial that fails.
        ended: called after each trial whose end has been journalled.
        """
        self._ended = ended
        self._logs = logs
        self._fail_fast = fail_fast
        self._epochs_of = epochs_of
        self._forget = forget
        self._config = config
        self._observer = observer
        self._journal = journal
        self._trials: dict[int, TrialUpdated] = {}
        self._specs: dict[int, TrialSpec] = {}
        self._deaths: dict[int, int] = {}
        self._done: set[int] = set()
        self._places: dict[int, dict[str, Any]] = {}
        self._searcher: TrialSearcher | None = None
        self.failures = Failures(config.resources.max_consecutive_failures)

    def watch(self, searcher: TrialSearcher) -> None:
        """Hand trials whose process died to `searcher`, which starts them again or ends them."""
        self._searcher = searcher

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be pickled: Tune saves its callbacks with its state."""
        return {
            **self.__dict__,
            "_observer": silent,
            "_forget": None,
            "_epochs_of": None,
            "_ended": None,
            "_logs": None,
            "_searcher": None,
        }

    @property
    def metric(self) -> str:
        """The name of the sweep's metric."""
        return self._config.sweep.metric.name

    @property
    def trials(self) -> list[TrialUpdated]:
        """The latest row of each trial, in the order of the sweep."""
        return [self._trials[index] for index in sorted(self._trials)]

    def fail(self, index: int, failure: Failure) -> None:
        """Record that a trial, which had been recorded as finished, failed."""
        self._end(self._trials[index], "failed", failure)

    def end(self, spec: TrialSpec) -> None:
        """Record that the trial ended after the last epoch that it reported."""
        row = self.row(spec)
        self._end(row, "completed" if spec.index in self._done else "stopped")

    def row(self, spec: TrialSpec) -> TrialUpdated:
        """Return the latest row of the trial; before its first report, one in the state running."""
        self._specs.setdefault(spec.index, spec)
        if spec.index not in self._trials:
            epochs = self._epochs_of(spec.overrides)
            return TrialUpdated(
                spec.index, spec.name, "running", spec.overrides, 0, epochs, repeat=spec.repeat
            )
        return self._trials[spec.index]

    def spec(self, row: TrialUpdated) -> TrialSpec:
        """Return the trial's spec, from which another process continues it."""
        return self._specs[row.index].continued(row.epoch)

    def keep(self, row: TrialUpdated) -> None:
        """Record the row, and notify the observer."""
        self.recall(row)
        self._observer(row)

    def recall(self, row: TrialUpdated) -> None:
        """Record the row without notifying the observer: an earlier driver already did."""
        self._trials[row.index] = row
        if row.state in ("completed", "stopped"):
            self.failures.see(row.name, None)

    def begin_again(self, spec: TrialSpec) -> None:
        """Reset a failed trial to a row that has only started."""
        del self._trials[spec.index]
        self._deaths.pop(spec.index, None)
        self.recall(self.row(spec))

    def died(self, spec: TrialSpec, counts: int) -> bool:
        """Count a death of the trial's process. Return whether another process continues it, which
        is a restart; after `max_failures` none does. `counts`: 0 where it was not its fault."""
        row = self.row(spec)
        deaths = self._deaths[spec.index] = self._deaths.get(spec.index, 0) + counts
        continues = deaths <= self._config.resources.max_failures
        if continues:
            self.recall(replace(row, restarts=row.restarts + 1))
        return continues

    def after(self, row: TrialUpdated, report: TrialReport) -> TrialUpdated:
        """Return the row after `report`. Note whether the trial says that it is its last."""
        if report.last:
            self._done.add(row.index)
        row = replace(row, epoch=report.epochs, metrics=report.metrics, best=report.best)
        if self._config.sweep.pbt is not None:  # the values change on the way
            row = replace(row, overrides=report.values or {}, cloned=report.cloned)
        return row

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Raise KeyboardInterrupt after a signal. Tune's own handling of Ctrl-C is switched off: it
        would let the trials log models."""
        signals.raise_if_interrupted()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        spec = TrialSpec.from_config(trial.config)
        self._journal.write("begun", index=spec.index)
        self.keep(self.row(spec))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        if result.get("storage"):
            raise StorageLost(Failure.from_text(result["failed"]).error)
        if "failed" in result or "gate" in result:
            return  # `on_trial_complete` comes next
        spec = TrialSpec.from_config(trial.config)
        if "silent" in result:
            if result["ended"]:
                self._done.add(spec.index)
            return
        report = TrialReport.from_text(result["report"])
        place = self._new_place(spec.index, result)
        self._journal.write(
            "epoch", index=spec.index, ends=result["done"], **report.plain(), **place
        )
        self.keep(self.after(self.row(spec), report))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        spec, failed = TrialSpec.from_config(trial.config), trial.last_result.get("failed")
        if trial.last_result.get("gate") == "wait":
            self._journal.write("paused", index=spec.index)
            return  # it continues later, as a trial that is new to Tune
        if failed is not None:
            place = self._new_place(spec.index, trial.last_result)
            raised = trial.last_result.get("raised")
            self._end(self.row(spec), "failed", Failure.from_text(failed), place, raised)
        else:
            self.end(spec)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record that the trial's process died. Another process continues it, as a trial that is
        new to Tune: Tune's own restart misses a process that died between two trials."""
        assert self._searcher is not None
        spec, error = TrialSpec.from_config(trial.config), _error_of(trial)
        counts = _counts(error)
        self._journal.write("died", index=spec.index, counts=counts)
        self._collect(spec, error)
        if self.died(spec, counts):
            self._searcher.again(spec.continued(self.row(spec).epoch))
            self._observer(self.row(spec))
        else:
            self._searcher.ended(spec, None, failed=True)
            cause = Failure(_cause(error, self._deaths[spec.index]))
            self._end(self.row(spec), "failed", cause)

    def _collect(self, spec: TrialSpec, error: BaseException | None) -> None:
        """Note the death in the trial's log, and bring there what its process had printed. Other
        trials do not wait: their nodes may be slow to answer."""
        if self._logs is not None:
            self._logs.tell(spec.name, f"[raysweep: {_cause(error, 1)}]")
            Thread(target=self._logs.collect, name="raysweep-collect", daemon=True).start()

    def _end(
        self,
        row: TrialUpdated,
        state: TrialState,
        failure: Failure | None = None,
        place: Mapping[str, Any] | None = None,
        raised: str | None = None,
    ) -> None:
        told = {"error": None} if failure is None else failure.plain()
        self._journal.write("ended", index=row.index, state=state, **told, **(place or {}))
        if failure is not None:
            self.failures.see(row.name, failure)
        if state != "stopped":  # a stopped trial's model may not be logged yet
            self._forget(row.name)
        self.keep(replace(row, state=state, **told))
        self._ended()
        if failure is not None and self._fail_fast:
            raise FailedFast(row.name, failure, raised)

    def _new_place(self, index: int, result: Mapping[str, Any]) -> dict[str, Any]:
        """The node and the process that a result of the trial came from, where they are not those
        of the one before. Tune fills them in."""
        place = {"node": result.get("hostname"), "pid": result.get("pid")}
        if None in place.values() or self._places.get(index) == place:
            return {}
        self._places[index] = place
        return place


def _error_of(trial: Any) -> BaseException | None:
    """Return the exception that ended the trial, without Ray's wrapping."""
    error = error_of(trial)
    while isinstance(error, RayTaskError) and isinstance(error.cause, BaseException):
        error = error.cause
    return error


def _counts(error: BaseException | None) -> int:
    """Return 1 if the death counts as the trial's, 0 if its machine was preempted."""
    return 0 if isinstance(error, RayActorError) and error.preempted else 1


def _cause(error: BaseException | None, deaths: int) -> str:
    if error is None or isinstance(error, RayActorError):
        return f"its process died {_times(deaths)}: killed, or out of memory"
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")


def _times(deaths: int) -> str:
    return "once" if deaths == 1 else f"{deaths} times"
