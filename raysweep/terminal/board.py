"""Derive a sweep's state from its events: the best trial, trials left, remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from raysweep.events import Event, StageFinished, SweepStarted, TrialUpdated
from raysweep.search.repeats import rank_configurations


class Board:
    """Collects events. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._training_since: float | None = None
        self.start: SweepStarted | None = None
        self.stages: list[StageFinished] = []
        self._trials: dict[int, TrialUpdated] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, SweepStarted):
            self.start = event
        elif isinstance(event, StageFinished):
            self.stages.append(event)
        elif isinstance(event, TrialUpdated):
            if self._training_since is None:
                self._training_since = self._clock()
            self._trials[event.index] = event

    @property
    def trials(self) -> list[TrialUpdated]:
        """The trials, in the order of the sweep."""
        return [self._trials[index] for index in sorted(self._trials)]

    @property
    def ended(self) -> list[TrialUpdated]:
        return [trial for trial in self.trials if trial.state != "running"]

    @property
    def left(self) -> int:
        """The number of trials that have not ended."""
        return self.start.trials - len(self.ended) if self.start else 0

    def best(self) -> TrialUpdated | None:
        """The best trial so far of the best configuration, including running ones."""
        if self.start is None:
            return None
        metric = self.start.metric
        candidates = [trial.candidate(so_far=True) for trial in self.trials]
        start = self.start
        ranked = rank_configurations(candidates, metric, start.goal, start.repeats)
        return self._trials[ranked[0].trials[0].index] if ranked and ranked[0].scores else None

    def remaining_s(self) -> float | None:
        """Estimate the seconds until the last trial ends; see `remaining_s`."""
        if self.start is None or self._training_since is None:
            return None
        spent_s = self._clock() - self._training_since
        return remaining_s(self.trials, self.start.trials, self.start.epochs, spent_s)


def remaining_s(
    trials: Sequence[TrialUpdated], planned: int, most: int | None, spent_s: float
) -> float | None:
    """Estimate the seconds until the last of `planned` trials ends, if what is left goes on like
    what has been, in `spent_s` seconds; None where nobody knows how many epochs a trial has.

    A trial is taken to last as many epochs as those that have ended did on average: early stopping
    shortens most of them. `most`: the most epochs of a trial.
    """
    done = sum(trial.epoch for trial in trials)
    if not done or most is None:
        return None
    ended = [trial for trial in trials if trial.state != "running"]
    lengths = [trial.epoch for trial in ended if trial.state != "failed"]
    typical = sum(lengths) / len(lengths) if lengths else float(most)
    running = [trial for trial in trials if trial.state == "running"]
    waiting = planned - len(ended) - len(running)
    epochs = waiting * typical + sum(max(typical - each.epoch, 0.5) for each in running)
    return epochs * spent_s / done
