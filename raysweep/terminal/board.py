"""Derive a sweep's state from its events: the best trial, trials left, remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable

from raysweep.events import Event, StageFinished, SweepStarted, TrialUpdated
from raysweep.search.repeats import rank_configurations
from raysweep.selection import rank
from raysweep.terminal.pace import Pace


class Board:
    """Collects events. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._training_since: float | None = None
        self.start: SweepStarted | None = None
        self.stages: list[StageFinished] = []
        self._trials: dict[int, TrialUpdated] = {}
        self._pace = Pace()
        self._best: int | None = None
        self._ranked = True  # whether `_best` is up to date

    def __call__(self, event: Event) -> None:
        if isinstance(event, SweepStarted):
            self.start = event
        elif isinstance(event, StageFinished):
            self.stages.append(event)
        elif isinstance(event, TrialUpdated):
            if self._training_since is None:
                self._training_since = self._clock()
            before = self._trials.get(event.index)
            self._trials[event.index] = event
            self._pace.see(before, event)
            self._rank(event)

    @property
    def trials(self) -> list[TrialUpdated]:
        """The trials, in the order of the sweep."""
        return [self._trials[index] for index in sorted(self._trials)]

    @property
    def ended(self) -> int:
        """The number of trials that have ended."""
        return self._pace.ended

    @property
    def left(self) -> int:
        """The number of trials that have not ended."""
        return self.start.trials - self.ended if self.start else 0

    def best(self) -> TrialUpdated | None:
        """The best trial so far of the best configuration, including running ones."""
        if not self._ranked:
            self._ranked, self._best = True, self._first()
        return None if self._best is None else self._trials[self._best]

    def _rank(self, changed: TrialUpdated) -> None:
        """Compare the trial with the best one. All are ranked again only where that is not enough:
        for the mean of repeats, and where the best one itself has changed."""
        if self.start is None:
            return
        best = self.best() if self._ranked and self.start.repeats == 1 else None
        if best is None or best.index == changed.index:
            self._ranked = False
            return
        two = [best.candidate(so_far=True), changed.candidate(so_far=True)]
        self._best = rank(two, self.start.metric, self.start.goal)[0].index

    def _first(self) -> int | None:
        """Rank all trials."""
        assert self.start is not None, "a sweep starts before its trials"
        start = self.start
        candidates = [trial.candidate(so_far=True) for trial in self.trials]
        ranked = rank_configurations(candidates, start.metric, start.goal, start.repeats)
        return ranked[0].trials[0].index if ranked and ranked[0].scores else None

    def remaining_s(self) -> float | None:
        """Estimate the seconds until the last trial ends; see `Pace`."""
        if self.start is None or self._training_since is None:
            return None
        spent_s = self._clock() - self._training_since
        return self._pace.remaining_s(self.start.trials, self.start.epochs, spent_s)
