"""The edge between where trials come from and Ray Tune: a Searcher, and a Stopper beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.tune import Stopper
from ray.tune.search import Searcher

from raysweep.pipeline.budget import Budget
from raysweep.pipeline.suggestions import Source, Values
from raysweep.pipeline.trainable import TrialSpec


@dataclass
class _Configuration:
    """One configuration under way: how many of its repeats have started, and what those that have
    ended came to."""

    number: int
    values: Values
    started: int = 0
    scores: list[float | None] = field(default_factory=list)

    @property
    def mean(self) -> float | None:
        """Of the repeats that have a score; None where none has."""
        finite = [score for score in self.scores if score is not None]
        return statistics.fmean(finite) if finite else None


class TrialSearcher(Searcher):
    """Hands Tune the trials of `source`, each configuration `repeats` times in a row.

    A trial scores what its best epoch does, since selection ranks it by that; a configuration, the
    mean of its repeats. Its last repeat told, so is the source. No trial starts that the budget
    refuses.
    """

    def __init__(
        self, source: Source, budget: Budget, *, metric: str, mode: str, repeats: int = 1
    ) -> None:
        """`mode`: min or max, as Tune has it."""
        super().__init__(metric=metric, mode=mode)
        self._source = source
        self._budget = budget
        self._repeats = repeats
        self._count = 0
        self._current: _Configuration | None = None
        self._running: dict[str, _Configuration] = {}

    def suggest(self, trial_id: str) -> Any:
        """The next trial as Tune carries it, or FINISHED."""
        if not self._budget.may_start(trial_id):
            return self.FINISHED
        if self._current is None or self._current.started == self._repeats:
            values = self._source.next()
            if values is None:
                return self.FINISHED
            self._current = _Configuration(self._count // self._repeats, values)
        current = self._running[trial_id] = self._current
        spec = TrialSpec(self._count, current.values, current.started)
        current.started += 1
        self._count += 1
        return spec.to_config()

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        if error:
            self._budget.done(trial_id)
        self._budget.stopped(trial_id)
        configuration = self._running.pop(trial_id)
        configuration.scores.append(None if error or not result else self._score(result))
        if len(configuration.scores) == self._repeats:
            if None not in configuration.scores:  # the mean of what did not fail may be luck
                self._budget.scored(configuration.mean)
            self._source.tell(configuration.number, configuration.mean)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """An epoch that is not the last one tells the source nothing."""

    def save(self, checkpoint_path: str) -> None:
        """Tune wants a file beside its own state. A sweep is not continued from it."""
        Path(checkpoint_path).touch()

    def _score(self, result: Mapping[str, Any]) -> float | None:
        """Tune hands over `{"best": {metric: value}}` as one flat mapping."""
        return finite(result.get(f"best/{self.metric}"))


class BudgetStopper(Stopper):
    """Asks the budget after each epoch of each trial whether it may go on."""

    def __init__(self, budget: Budget, metric: str, *, target_by_trial: bool) -> None:
        """`target_by_trial`: one trial's value may be the target, and not only its mean."""
        self._budget = budget
        self._metric = metric
        self._target_by_trial = target_by_trial

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Whether the trial ends now."""
        if self._target_by_trial:
            self._budget.scored(finite((result["best"] or {}).get(self._metric)))
        if result["done"]:
            self._budget.done(trial_id)
            return False  # it ends anyway
        return not self._budget.may_go_on(trial_id)

    def stop_all(self) -> bool:
        """Never: Tune would kill trials before they have logged their models."""
        return False


def finite(value: float | None) -> float | None:
    """None where the metric is missing, or was never finite."""
    return value if value is not None and math.isfinite(value) else None
