"""Keeping Tune's worker processes from one trial to the next."""

from __future__ import annotations

import time
from typing import Any

from ray.tune.schedulers import TrialScheduler

PATIENCE_S = 30.0
"""How long a worker may take to start before its trial is given to one that is free."""


def keep_workers(scheduler: TrialScheduler, count: int) -> TrialScheduler:
    """Let Tune keep `count` workers that wait for a trial, as long as there will be any.

    Tune keeps one, and as many more as trials wait for a worker. With a search algorithm of one's
    own none waits: of two trials that end together one would lose its process, and the next trial
    the 3 s and more that it takes to start one, and to import torch there.

    And let a worker that is starting start. Tune gives its trial to the first worker that is free,
    and ends the new one; then it starts another for the next trial, and so on: where trials are
    shorter than a worker's start, one worker did them all, and the machine was busy with starts
    (0.3 s a trial instead of 0.04, in every other sweep of trials that do nothing).

    A scheduler is the only part of ours that is handed Tune's controller.
    """
    add, choose = scheduler.on_trial_add, scheduler.choose_trial_to_run
    kept: list[Any] = []

    def on_trial_add(controller: Any, trial: Any) -> None:
        if not kept:
            runner = controller._tune_controller  # what is handed over only wraps it
            kept.append(trial.placement_group_factory)  # the same for all trials
            runner._actor_cache.increase_max(kept[0], count)
            runner._maybe_reuse_cached_actor = _Patient(runner)
        add(controller, trial)

    def choose_trial_to_run(controller: Any) -> Any:
        if len(kept) == 1 and controller._tune_controller._search_alg.is_finished():
            controller._tune_controller._actor_cache.decrease_max(kept[0], count)
            kept.append(None)  # once: the waiting ones now end, and log their models
        return choose(controller)

    setattr(scheduler, "on_trial_add", on_trial_add)  # noqa: B010
    setattr(scheduler, "choose_trial_to_run", choose_trial_to_run)  # noqa: B010
    return scheduler


class _Patient:
    """Tune's own method, but for a trial whose worker is starting: for a while, lest there is no
    room any more for that worker, a node being gone."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._reuse = runner._maybe_reuse_cached_actor
        self._since: dict[str, float] = {}

    def __call__(self, trial: Any) -> bool:
        """Whether the trial goes on in a worker that is free."""
        if trial in self._runner._trial_to_actor and trial not in self._runner._resetting_trials:
            now = time.monotonic()
            if now - self._since.setdefault(trial.trial_id, now) < PATIENCE_S:
                return False
        reused: bool = self._reuse(trial)
        return reused

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune writes down all that its controller has. This is no state."""
        return dict, ()
