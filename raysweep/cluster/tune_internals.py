"""Every private part of Ray Tune that we lean on.

`keep_workers` makes trials start sooner, and is left out where the fast start is switched off or
this Tune is another one; then Tune's own behaviour stays. The other functions read what Tune has
no public name for, and say what they do where it is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

from raysweep.cluster.faststart import fork_server
from raysweep.cluster.faststart.checks import TUNE_CONTROLLER
from raysweep.cluster.faststart.probe import usable

PATIENCE_S = 30.0
"""How long a worker may take to start before its trial is given to one that is free."""


def stub_trial(trial_id: str) -> Any:
    """Make a trial that search and scheduler can be told of again, and that nothing starts.

    `stub` is an undocumented argument of Tune's Trial: without it the trainable is looked up. Where
    it is gone, a trainable of that name that does nothing is registered.
    """
    from ray import tune
    from ray.tune.experiment import Trial

    try:
        return Trial("replayed", trial_id=trial_id, stub=True)
    except TypeError:
        tune.register_trainable("replayed", tune.Trainable)
        return Trial("replayed", trial_id=trial_id)


def error_of(trial: Any) -> BaseException | None:
    """Return what ended the trial; None where Tune kept nothing, or keeps it elsewhere.

    Tune's own getters look in the storage, where the file is not yet.
    """
    path = getattr(trial, "pickled_error_file", None)
    try:
        error: BaseException | None = path and cloudpickle.loads(Path(path).read_bytes())
    except OSError:
        return None
    return error


def forget_in_median(rule: MedianStoppingRule, trial: Any) -> None:
    """Have the rule forget the trial, which starts anew.

    Where Tune keeps what it has heard elsewhere, the trial's earlier results count in the others'
    median as well.
    """
    getattr(rule, "_results", {}).pop(trial, None)
    getattr(rule, "_stopped_trials", set()).discard(trial)


def keep_workers(scheduler: TrialScheduler, count: Callable[[], int]) -> TrialScheduler:
    """Let Tune keep `count` workers that wait for a trial, as long as there will be any; it may
    grow.

    Tune keeps one, and as many more as trials wait for a worker. With a search algorithm of our own
    none waits: of two trials that end together one would lose its process, and the next trial
    the 3 s and more that it takes to start one, and to import torch there.

    And let a worker that is starting start (`_Patient`), and give none an environment that it has
    (`_Inheriting`).

    A scheduler is the only part of ours that is handed Tune's controller.
    """
    if "tune-workers" not in usable():
        return scheduler
    cache = _Cache(count)
    add, choose = scheduler.on_trial_add, scheduler.choose_trial_to_run

    def on_trial_add(controller: Any, trial: Any) -> None:
        runner = _runner(controller)
        if runner is not None and cache.open(runner, trial.placement_group_factory):
            runner._maybe_reuse_cached_actor = _Patient(runner)
            if fork_server.address():
                runner._class_cache = _Inheriting()
        add(controller, trial)

    def choose_trial_to_run(controller: Any) -> Any:
        if (runner := _runner(controller)) is not None:
            cache.follow(runner)
        return choose(controller)

    setattr(scheduler, "on_trial_add", on_trial_add)  # noqa: B010
    setattr(scheduler, "choose_trial_to_run", choose_trial_to_run)  # noqa: B010
    return scheduler


def _runner(controller: Any) -> Any:
    """Return Tune's own controller, which the one that a scheduler is handed wraps; None where it
    is not as `probe` knows it."""
    runner = getattr(controller, "_tune_controller", None)
    known = runner is not None and all(hasattr(runner, name) for name in TUNE_CONTROLLER)
    return runner if known else None


class _Cache:
    """Tune's cache of free workers, with room for `count` from the first trial to the last."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._wanted = count
        self._count = 0
        self._resources: Any = None
        self._closed = False

    def open(self, runner: Any, resources: Any) -> bool:
        """Return whether this was the first trial. `resources`: a trial's, the same for all."""
        if self._resources is not None:
            return False
        self._resources = resources
        self._grow(runner)
        return True

    def follow(self, runner: Any) -> None:
        """When no trial comes any more, end the workers that wait for one; they log their models
        then. Until then, keep as many as there are trials at once."""
        if self._resources is None or self._closed:
            return
        if runner._search_alg.is_finished():
            self._closed = True
            runner._actor_cache.decrease_max(self._resources, self._count)
        else:
            self._grow(runner)

    def _grow(self, runner: Any) -> None:
        more = self._wanted() - self._count
        if more > 0:
            self._count += more
            runner._actor_cache.increase_max(self._resources, more)


class _Patient:
    """Tune's method that gives a trial a free worker, but for a trial whose own one is starting.

    Tune ends that one, then starts another for the next trial, and so on: where trials are shorter
    than a worker's start, one worker did them all, and the machine was busy with starts (0.3 s a
    trial that does nothing, not 0.04, in every other sweep). A worker that only waits for room is
    no such one: the free worker may hold the room that it waits for.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._reuse = runner._maybe_reuse_cached_actor
        self._since: dict[str, float] = {}

    def __call__(self, trial: Any) -> bool:
        """Whether the trial goes on in a worker that is free."""
        if not self._is_starting(trial):
            return self._takes(trial)
        # Tune asks for one of those that wait, any: let another of them have the free worker.
        runner = self._runner
        for other in list(runner._resources_to_pending_trials[trial.placement_group_factory]):
            waits_for_room = other in runner._trial_to_actor and not self._is_starting(other)
            if waits_for_room and self._takes(other):
                break
        return False

    def _takes(self, trial: Any) -> bool:
        taken: bool = self._reuse(trial)
        return taken

    def _is_starting(self, trial: Any) -> bool:
        """Whether the trial has a process of its own under way, and not for too long: its node may
        be gone, and with it the room."""
        runner = self._runner
        actor = runner._trial_to_actor.get(trial)
        if actor is None or trial in runner._resetting_trials:
            return False
        if actor in runner._started_actors or actor not in runner._actor_manager.live_actors:
            return False
        now = time.monotonic()
        return now - self._since.setdefault(trial.trial_id, now) < PATIENCE_S

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune writes down all that its controller has. This is no state."""
        return dict, ()


class _Inheriting:
    """Stands in for Tune's cache of actor classes, and gives trials no environment of their own.

    Tune passes on some of the driver's variables, and one that keeps Lightning from forking. Copies
    of the fork server have them all. To give a worker an environment, Ray has to start its
    runtime-env agent: 1 s of a CPU before the first trial.
    """

    def __init__(self) -> None:
        self._classes: dict[type, Any] = {}

    def get(self, trainable_cls: type) -> Any:
        """Return the trainable's actor class, made once."""
        if trainable_cls not in self._classes:
            self._classes[trainable_cls] = ray.remote(trainable_cls)
        return self._classes[trainable_cls]
