"""`tracking.keep: best`: models that cannot win any more lose their bytes while the sweep runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from raysweep.config import Config
from raysweep.errors import StoreFailed
from raysweep.events import TrialUpdated
from raysweep.search.repeats import cannot_win
from raysweep.storage.stop import StorageLost
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.models import LoggedModel

KEPT_BEST = "tracking.keep: best"
"""What a version says that has dropped its bytes."""

FREE_S, SHARE = 0.02, 0.05
"""A look that takes longer than the first, in seconds, is followed by a pause, so that looks take
at most this share of the driver's time."""

MODEL, CHECKPOINT = "trained-model", "trial-checkpoint"


class LoggedModels(Protocol):
    """The models in the tracker's store."""

    def models(self, group: str, name: str) -> list[LoggedModel]:
        """List the versions of the artifact `name` that the group's finished runs logged."""
        ...

    def drop(self, refs: Collection[str], why: str) -> None:
        """Drop the bytes of these versions, not their records."""
        ...


class KeepBest:
    """Drops the bytes of models of `sweep` that lose whatever comes.

    A trial counts only when its run has finished and its model is logged, and the driver has
    journalled its end: the models that it beats may lose their bytes, as it cannot fail any more.
    """

    def __init__(self, config: Config, sweep: SweepIdentity, store: LoggedModels) -> None:
        self._config, self._sweep, self._store = config, sweep, store
        self._not_before = 0.0

    def look_now_and_then(self, trials: Callable[[], Sequence[TrialUpdated]]) -> None:
        """Look, unless the last look was long and a short while ago: it goes through all trials,
        and this is called after each. What is passed over is dropped by the next look."""
        began = time.monotonic()
        if began >= self._not_before:
            self.look(trials())
            took = time.monotonic() - began
            self._not_before = began + took + max(0.0, took - FREE_S) / SHARE

    def look(self, trials: Sequence[TrialUpdated]) -> None:
        """Drop what cannot win by now. Raises StorageLost if the store cannot be written."""
        self._kept_going(lambda: self._look(trials))

    def drop_checkpoints(self) -> None:
        """Drop the checkpoints that trials of a population logged for each other: the sweep has
        ended. Raises StorageLost if the store cannot be written."""
        self._kept_going(self._drop_checkpoints)

    def _look(self, trials: Sequence[TrialUpdated]) -> None:
        found = {each.run_id: each for each in self._store.models(self._sweep.name, MODEL)}
        logged = {
            row.index: found[run_id]
            for row in trials
            if (run_id := self._sweep.run_id(row.name)) in found
        }
        candidates = [row.candidate() for row in trials]
        sure = [replace(c, finished=c.finished and c.index in logged) for c in candidates]
        metric, repeats = self._config.sweep.metric, self._config.sweep.repeats
        lost = cannot_win(sure, metric.name, metric.goal, repeats)
        self._drop([logged[index] for index in sorted(lost)])

    def _drop_checkpoints(self) -> None:
        self._drop(self._store.models(self._sweep.name, CHECKPOINT))

    def _drop(self, versions: Sequence[LoggedModel]) -> None:
        refs = [each.ref for each in versions if not each.dropped]
        if refs:
            self._store.drop(refs, KEPT_BEST)

    @staticmethod
    def _kept_going(call: Callable[[], None]) -> None:
        try:
            call()
        except StoreFailed as error:
            raise StorageLost(str(error)) from error
