"""Keep what Ray Tune remembers of ended trials small, so that trial 10,000 costs what the first one
did.

Tune keeps every trial of an experiment, with statistics of each number in its results: 20 kB of a
trial's 35 in the driver. It also goes through the list of all of them whenever no trial runs, and
at the end, to read files that raysweep does not write. Nothing here reads any of it: a trial's
record is the journal.
"""

from __future__ import annotations

from typing import Any

from ray import tune

from raysweep.cluster.tune_internals import drop_ended

KEPT = 64
"""How long the list of trials may get before those that have ended are taken off."""


class Forgetting(tune.Callback):
    """Empties what an ended trial reported, and takes ended trials off Tune's list.

    Has to come after the callbacks that read a trial's last result. What it empties are public
    properties of a trial; the list is private (`tune_internals.drop_ended`).
    """

    def __init__(self) -> None:
        self._limit = KEPT

    def __getstate__(self) -> dict[str, Any]:
        """Pickle nothing: Tune saves its callbacks with its state, and this one needs none."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Take ended trials off the list, if it has become twice as long as it has to be."""
        if len(trials) <= self._limit:
            return
        drop_ended(trials)
        self._limit = max(KEPT, 2 * len(trials))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Empty what the trial reported."""
        for kept in (trial.metric_analysis, trial.metric_n_steps, trial.last_result):
            kept.clear()
