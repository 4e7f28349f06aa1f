"""How far the trials of a sweep are, counted as they change."""

from __future__ import annotations

from collections.abc import Iterable

from raysweep.events import TrialUpdated


class Pace:
    """Counts the trials that have ended, and their epochs. A change of one trial costs the same
    however many there are."""

    def __init__(self) -> None:
        self.ended = 0
        self._done = 0
        self._lengths = 0
        self._finished = 0
        self._running: dict[int, int] = {}

    @staticmethod
    def of(trials: Iterable[TrialUpdated]) -> Pace:
        """Count these trials."""
        pace = Pace()
        for trial in trials:
            pace.see(None, trial)
        return pace

    def see(self, before: TrialUpdated | None, now: TrialUpdated) -> None:
        """Count `now` in place of `before`, an earlier row of the same trial."""
        if before is not None:
            self._count(before, -1)
            self._running.pop(before.index, None)
        self._count(now, 1)
        if now.state == "running":
            self._running[now.index] = now.epoch

    def remaining_s(self, planned: int, most: int | None, spent_s: float) -> float | None:
        """Estimate the seconds until the last of `planned` trials ends, if what is left goes on
        like what has been, in `spent_s` seconds; None where nobody knows how many epochs a trial
        has.

        A trial is taken to last as many epochs as those that have ended did on average: early
        stopping shortens most of them. `most`: the most epochs of a trial.
        """
        if not self._done or most is None:
            return None
        typical = self._lengths / self._finished if self._finished else float(most)
        waiting = planned - self.ended - len(self._running)
        under_way = sum(max(typical - epoch, 0.5) for epoch in self._running.values())
        return (waiting * typical + under_way) * spent_s / self._done

    def _count(self, trial: TrialUpdated, sign: int) -> None:
        self._done += sign * trial.epoch
        if trial.state != "running":
            self.ended += sign
            if trial.state != "failed":
                self._lengths += sign * trial.epoch
                self._finished += sign
