"""Budgets that end a sweep before its last trial: target, time, trials, epochs.

An epoch is a report: of trials that report when they like, reports are counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

from raysweep.config import SweepConfig

EndedBy = Literal["completed", "target", "max_time", "max_trials", "max_epochs_total"]


class Budget:
    """Decides before each epoch of each trial whether it may start.

    A refusal ends the sweep: no further epoch starts, except that `max_trials` lets running trials
    continue. A running trial ends with its current epoch, and its model is logged. Epochs are
    counted when they are granted, so `max_epochs_total` is never exceeded, however many trials run
    at once.
    """

    def __init__(
        self,
        sweep: SweepConfig,
        started: float,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[..., None] = lambda why: None,
    ) -> None:
        """`started`: start of the sweep, in seconds of `clock`. `note` is called with what ends the
        sweep."""
        self._sweep = sweep
        self._on_end = note
        self._clock = clock
        self._deadline = math.inf if sweep.max_time is None else started + sweep.max_time
        self._trials = 0
        self._epochs = 0  # finished or granted
        self._granted: set[str] = set()
        self._over = False
        self.ended_by: EndedBy = "completed"

    def may_start(self, trial: str) -> bool:
        """Return whether another trial may start; if so, count it and its first epoch."""
        most = self._sweep.max_trials
        if most is not None and self._trials >= most:
            self._note("max_trials")
            return False
        if not self.may_go_on(trial):
            return False
        self._trials += 1
        return True

    def not_started(self, trial: str) -> None:
        """Undo `may_start`: there was no trial to start."""
        self.stopped(trial)
        self._trials -= 1

    def may_go_on(self, trial: str) -> bool:
        """Return whether a trial may start another epoch; if so, count it."""
        self._granted.discard(trial)
        most = self._sweep.max_epochs_total
        if self._clock() >= self._deadline:
            self._end("max_time")
        elif most is not None and self._epochs >= most:
            self._end("max_epochs_total")
        if self._over:
            return False
        self._epochs += 1
        self._granted.add(trial)
        return True

    def may_go_on_late(self, trial: str) -> bool:
        """Return whether a trial that waited, or has not reported for a while, may continue with
        the epoch that it was already granted."""
        if self._clock() >= self._deadline:
            self._end("max_time")
        return not self._over or (self.ended_by == "max_epochs_total" and trial in self._granted)

    def done(self, trial: str) -> None:
        """Record that the trial's granted epoch is over and that it asks for no other."""
        self._granted.discard(trial)

    def stopped(self, trial: str, *, failed: bool = False) -> None:
        """Record that the trial has ended. An epoch that it was granted but did not use, as early
        stopping came first, becomes free for another trial; one in which it failed does not."""
        if trial in self._granted:
            self._granted.remove(trial)
            self._epochs -= not failed

    def started_before(self, trial: str) -> None:
        """Count a trial that an earlier driver started, and its first epoch."""
        self._trials += 1
        self.went_on_before(trial)

    def went_on_before(self, trial: str) -> None:
        """Count an epoch that an earlier driver granted."""
        self._epochs += 1
        self._granted.add(trial)

    def ended_before(self, why: EndedBy) -> None:
        """Record what ended the sweep, as an earlier driver noted it."""
        self._over = why != "max_trials"
        self.ended_by = why

    def scored(self, value: float | None) -> None:
        """Check whether a trial's score (or a configuration's mean) reaches the target."""
        target = self._sweep.metric.target
        if target is None or value is None or not math.isfinite(value):
            return
        if value <= target if self._sweep.metric.goal == "minimize" else value >= target:
            self._end("target")

    def _end(self, why: EndedBy) -> None:
        self._over = True
        self._note(why)

    def _note(self, why: EndedBy) -> None:
        """Record the reason, unless there is one already."""
        if self.ended_by == "completed":
            self.ended_by = why
            self._on_end(why=why)
