"""What ends a sweep before its last trial: its target, its time, its trials, its epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Literal

from raysweep.config import SweepConfig

EndedBy = Literal["completed", "target", "max_time", "max_trials", "max_epochs_total"]


class Budget:
    """Asked before each epoch of each trial whether it may be trained.

    A refusal ends the sweep: from then on none may, but that `max_trials` lets those that run go
    on. A running trial ends with the epoch that it is in, and its model is logged. Epochs are
    counted when they are granted, so that `max_epochs_total` is never exceeded, however many
    trials run at once.
    """

    def __init__(
        self,
        sweep: SweepConfig,
        started: float,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[..., None] = lambda why: None,
    ) -> None:
        """`started`: when the sweep did, by `clock`, in seconds. `note` is told what ends it."""
        self._sweep = sweep
        self._tell = note
        self._clock = clock
        self._deadline = math.inf if sweep.max_time is None else started + sweep.max_time
        self._trials = 0
        self._epochs = 0  # trained, or being trained
        self._granted: set[str] = set()
        self._over = False
        self.ended_by: EndedBy = "completed"

    def may_start(self, trial: str) -> bool:
        """Whether another trial may start; if so, it and its first epoch are counted."""
        most = self._sweep.max_trials
        if most is not None and self._trials >= most:
            self._note("max_trials")
            return False
        if not self.may_go_on(trial):
            return False
        self._trials += 1
        return True

    def not_started(self, trial: str) -> None:
        """Take `may_start` back: there was no trial to start."""
        self.stopped(trial)
        self._trials -= 1

    def may_go_on(self, trial: str) -> bool:
        """Whether a trial may train another epoch; if so, it is counted."""
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
        """Whether a trial that waited, or is silent, may go on with the epoch that it was granted
        before."""
        if self._clock() >= self._deadline:
            self._end("max_time")
        return not self._over or (self.ended_by == "max_epochs_total" and trial in self._granted)

    def done(self, trial: str) -> None:
        """The epoch that was granted has been trained, or has failed, and no other is asked for."""
        self._granted.discard(trial)

    def stopped(self, trial: str, *, failed: bool = False) -> None:
        """The trial has ended. An epoch that it was granted, and that early stopping took from it,
        is free for another trial; not one that it failed in."""
        if trial in self._granted:
            self._granted.remove(trial)
            self._epochs -= not failed

    def started_before(self, trial: str) -> None:
        """Count a trial that an earlier process started, and its first epoch."""
        self._trials += 1
        self.went_on_before(trial)

    def went_on_before(self, trial: str) -> None:
        """Count an epoch that an earlier process granted."""
        self._epochs += 1
        self._granted.add(trial)

    def ended_before(self, why: EndedBy) -> None:
        """An earlier process noted that this ends the sweep."""
        self._over = why != "max_trials"
        self.ended_by = why

    def scored(self, value: float | None) -> None:
        """A trial (with repeats: a configuration) came to `value`: that may be the target."""
        target = self._sweep.metric.target
        if target is None or value is None or not math.isfinite(value):
            return
        if value <= target if self._sweep.metric.goal == "minimize" else value >= target:
            self._end("target")

    def _end(self, why: EndedBy) -> None:
        self._over = True
        self._note(why)

    def _note(self, why: EndedBy) -> None:
        """The first reason stays."""
        if self.ended_by == "completed":
            self.ended_by = why
            self._tell(why=why)
