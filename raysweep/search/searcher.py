"""Ray Tune's Searcher over a source of configurations, and its Stopper over the budget."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.tune import Stopper
from ray.tune.search import Searcher

from raysweep.search.budget import Budget
from raysweep.search.failures import Failures
from raysweep.search.order import SweepOrder
from raysweep.search.spec import BEST_SCORE, SCORE, TrialSpec
from raysweep.search.suggestions import Source, Values


@dataclass
class _Configuration:
    """A configuration in progress: how many of its repeats have started, and the scores of those
    that have ended."""

    number: int
    values: Values
    started: int = 0
    scores: dict[int, float | None] = field(default_factory=dict)

    @property
    def mean(self) -> float | None:
        """The mean over the repeats that have a score; None if none has."""
        finite = [score for score in self.scores.values() if score is not None]
        return statistics.fmean(finite) if finite else None


class TrialSearcher(Searcher):
    """Gives Tune the trials of `source`, each configuration `repeats` times in a row.

    A trial's score is that of its best epoch, by which selection ranks it; a configuration's is the
    mean of its repeats, and `source` gets it after the last repeat. No trial starts that the budget
    refuses. Trials that an earlier process had started come before new ones.
    """

    def __init__(
        self,
        source: Source,
        budget: Budget,
        *,
        mode: str,
        most: int,
        repeats: int = 1,
        note: Callable[[TrialSpec], None] = lambda spec: None,
        order: SweepOrder | None = None,
        failures: Failures | None = None,
    ) -> None:
        """`mode`: min or max, as in Tune. `most`: the number of trials if nothing ends the sweep
        early. `note` is called with each new trial. `order` decides which trials wait; once
        `failures` gives the sweep up, none starts."""
        super().__init__(metric=SCORE, mode=mode)
        self._source = source
        self._budget = budget
        self._most = most
        self._repeats = repeats
        self._note = note
        self._order = order
        self._failures = failures or Failures(None)
        self._waiting: dict[int, TrialSpec] = {}
        self._count = 0
        self._current: _Configuration | None = None
        self._under_way: dict[str, _Configuration] = {}
        self._ended: dict[str, _Configuration] = {}
        self._unfinished: deque[TrialSpec] = deque()
        self._specs: dict[str, TrialSpec] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's config; FINISHED if there will be none; None while a trial may
        still come back: a running one whose process dies, or a waiting one."""
        self._release()
        spec = self._unfinished.popleft() if self._unfinished else self._new()
        if spec is None:
            return None if self._specs or self._waiting else self.FINISHED
        self._specs[trial_id] = spec
        return spec.to_config()

    @property
    def left(self) -> int:
        """The number of trials that it may still hand out."""
        again = len(self._unfinished) + len(self._waiting)
        return max(0, self._most - self._count) + again

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record the end of a trial. `error`: its process died, and `Progress`, which knows the
        cause, calls `again` or `ended` next."""
        spec = self._specs.pop(trial_id)
        if result and result.get("gate") == "wait":
            self.again(spec.continued(result["epochs"]))
        elif not error:
            failed = not result or "failed" in result
            score = None if failed or not result else finite(result.get(BEST_SCORE))
            self.ended(spec, score, failed=failed)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Do nothing: sources learn only from finished trials."""

    def save(self, checkpoint_path: str) -> None:
        """Write the file that Tune expects beside its state. Resuming uses the journal instead."""
        Path(checkpoint_path).touch()

    def started_before(self, values: Values) -> TrialSpec:
        """Repeat a start that an earlier driver journalled, with these values."""
        name = TrialSpec(self._count, {}).name
        self._budget.started_before(name)
        spec = self._start(name, lambda: self._source.next_again(values))
        assert spec is not None
        return spec

    def again(self, spec: TrialSpec) -> None:
        """Hand the trial, which had started but not ended, out again before any new one, as soon as
        it need not wait."""
        if self._order is not None and self._order.verdict(spec.index) == "wait":
            self._waiting[spec.index] = spec
            return
        self._unfinished.append(spec)
        if self._order is not None:
            self._order.say_again(spec.index)

    def _release(self) -> None:
        """Queue the trials that need not wait any more, in the order of the sweep. If the sweep is
        over, a trial that may continue is stopped instead."""
        for index in sorted(self._waiting):
            assert self._order is not None
            verdict, spec = self._order.verdict(index), self._waiting[index]
            if verdict != "wait":
                if verdict == "go" and not self._budget.may_go_on_late(spec.name):
                    self._order.overrule(index)
                self.again(self._waiting.pop(index))

    def begin_again(self, spec: TrialSpec) -> None:
        """Start a failed trial over: its configuration is scored again when it ends."""
        configuration = self._under_way[spec.name] = self._ended.pop(spec.name)
        del configuration.scores[spec.repeat]
        if self._order is not None:
            self._order.forget(spec.index)
            self._order.start(spec.index)

    def ended(self, spec: TrialSpec, score: float | None, *, failed: bool = False) -> None:
        """Record the end of a trial with `score`; None if it failed or has no finite score."""
        self._budget.stopped(spec.name, failed=failed)
        if self._order is not None:
            self._order.end(spec.index)
        configuration = self._ended[spec.name] = self._under_way.pop(spec.name)
        configuration.scores[spec.repeat] = score
        scores = configuration.scores.values()
        if len(scores) == self._repeats:
            if None not in scores:  # the mean of what did not fail may be luck
                self._budget.scored(configuration.mean)
            self._source.tell(configuration.number, configuration.mean)

    def _new(self) -> TrialSpec | None:
        if self._count >= self._most or self._failures.hopeless:
            return None
        spec = self._next()
        if spec is None:
            self._most = self._count  # Tune asks again and again
        else:
            self._note(spec)
        return spec

    def _next(self) -> TrialSpec | None:
        name = TrialSpec(self._count, {}).name
        if not self._budget.may_start(name):
            return None
        spec = self._start(name, self._source.next)
        if spec is None:
            self._budget.not_started(name)
        return spec

    def _start(self, name: str, ask: Callable[[], Values | None]) -> TrialSpec | None:
        if self._current is None or self._current.started == self._repeats:
            values = ask()
            if values is None:
                return None
            self._current = _Configuration(self._count // self._repeats, values)
        current = self._under_way[name] = self._current
        spec = TrialSpec(self._count, current.values, current.started)
        current.started += 1
        if self._order is not None:
            self._order.start(self._count)
        self._count += 1
        return spec


class BudgetStopper(Stopper):
    """Ends a trial after an epoch if the budget does not grant it another."""

    def __init__(self, budget: Budget, *, target_by_trial: bool) -> None:
        """`target_by_trial`: one trial may reach the target, not only a configuration's mean."""
        self._budget = budget
        self._target_by_trial = target_by_trial
        self._counts: dict[str, int] = {}

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Return whether the trial ends now."""
        if "gate" in result:  # no epoch, and the one that was granted is still to come
            return False
        if "silent" in result:
            return not result["ended"] and not self._budget.may_go_on_late(result["trial"])
        self.see(result)
        if result["done"]:
            self._budget.done(result["trial"])
            return False  # it ends anyway
        return not self._budget.may_go_on(result["trial"])

    def see(self, result: Mapping[str, Any]) -> None:
        """Check whether the epoch reached the target. A report that is no further epoch, as a
        program's summary at its end, gives back the epoch that was granted."""
        if self._target_by_trial:
            self._budget.scored(finite(result[BEST_SCORE]))
        trial, count = result["trial"], result.get("epochs")
        if count is None:  # what failed before its first epoch
            return
        if self._counts.get(trial) == count:
            self._budget.stopped(trial)
        self._counts[trial] = count

    def stop_all(self) -> bool:
        """Return False: Tune would kill trials before they have logged their models."""
        return False


def finite(value: float | None) -> float | None:
    """Return the value; None if it is missing or not finite."""
    return value if value is not None and math.isfinite(value) else None
