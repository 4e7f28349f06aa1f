"""Keeping Tune's worker processes from one trial to the next."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import TrialScheduler


def keep_workers(scheduler: TrialScheduler, count: int) -> TrialScheduler:
    """Let Tune keep `count` workers that wait for a trial, as long as there will be any.

    Tune keeps one, and as many more as trials wait for a worker. With a search algorithm of one's
    own none waits: of two trials that end together one would lose its process, and the next trial
    the 3 s and more that it takes to start one, and to import torch there.

    A scheduler is the only part of ours that is handed Tune's controller.
    """
    cache = _Cache(count)
    add, choose = scheduler.on_trial_add, scheduler.choose_trial_to_run

    def on_trial_add(controller: Any, trial: Any) -> None:
        runner = controller._tune_controller  # what is handed over only wraps it
        cache.open(runner, trial.placement_group_factory)
        add(controller, trial)

    def choose_trial_to_run(controller: Any) -> Any:
        cache.close_when_over(controller._tune_controller)
        return choose(controller)

    setattr(scheduler, "on_trial_add", on_trial_add)  # noqa: B010
    setattr(scheduler, "choose_trial_to_run", choose_trial_to_run)  # noqa: B010
    return scheduler


class _Cache:
    """Tune's cache of free workers, with room for `count` from the first trial to the last."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._resources: Any = None
        self._closed = False

    def open(self, runner: Any, resources: Any) -> None:
        """`resources`: a trial's, the same for all."""
        if self._resources is None:
            self._resources = resources
            runner._actor_cache.increase_max(resources, self._count)

    def close_when_over(self, runner: Any) -> None:
        """When no trial comes any more, those that wait for one end, and log their models."""
        if self._resources is not None and not self._closed and runner._search_alg.is_finished():
            self._closed = True
            runner._actor_cache.decrease_max(self._resources, self._count)
