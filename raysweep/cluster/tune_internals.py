"""Hold every private part of Ray Tune that raysweep uses.

`keep_workers` makes trials start faster; it does nothing if the fast start is switched off or this
Tune is not a tested one. The other functions read what has no public name in Tune, and document
their fallback for a missing name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.tune.schedulers import TrialScheduler

from raysweep.cluster.faststart import fork_server
from raysweep.cluster.faststart.checks import TUNE_CONTROLLER
from raysweep.cluster.faststart.probe import has, usable

WORKER_START_S = 30.0
"""How long a worker may take to start before its trial moves to an idle worker."""


def stub_trial(trial_id: str) -> Any:
    """Make a trial for replaying past events to search and scheduler; Tune never starts it.

    `stub` is an undocumented argument of Tune's Trial: without it the trainable is looked up. If it
    is missing, register a trainable of that name that does nothing.
    """
    from ray import tune
    from ray.tune.experiment import Trial

    try:
        return Trial("replayed", trial_id=trial_id, stub=True)
    except TypeError:
        tune.register_trainable("replayed", tune.Trainable)
        return Trial("replayed", trial_id=trial_id)


def error_of(trial: Any) -> BaseException | None:
    """Return the exception that ended the trial; None if there is none, or Tune keeps it elsewhere.

    Tune's own getters look in the storage, to which the file has not been copied yet.
    """
    path = getattr(trial, "pickled_error_file", None)
    try:
        error: BaseException | None = path and cloudpickle.loads(Path(path).read_bytes())
    except OSError:
        return None
    return error


def drop_ended(trials: list[Any]) -> None:
    """Take the trials that have ended off Tune's list of all, which it hands to its callbacks.

    That the list is its own, and not a copy, is undocumented. Where it is another one, do nothing:
    Tune then remembers all trials, some kB each. The newest stays: without any, Tune reads all of
    them back from its files at the end.
    """
    if not trials or not has("tune-trials"):
        return
    last = trials[-1]
    trials[:] = [trial for trial in trials if trial is last or not trial.is_finished()]


def keep_workers(scheduler: TrialScheduler, count: Callable[[], int]) -> TrialScheduler:
    """Let Tune keep `count()` idle workers as long as more trials may come; the count may grow.

    Tune keeps one, and one more for each trial that waits for a worker. With a custom search
    algorithm none waits: if two trials ended together, one would lose its process, and the next
    trial would wait 3 s or more for a new one that imports torch.

    Also let a worker finish its start (`_ReuseUnlessStarting`), and give no worker a runtime
    environment (`_PlainActorClasses`).

    The patches go through the scheduler, since Tune passes its controller only to that.
    """
    if "tune-workers" not in usable():
        return scheduler
    cache = _Cache(count)
    add, choose = scheduler.on_trial_add, scheduler.choose_trial_to_run

    def on_trial_add(controller: Any, trial: Any) -> None:
        runner = _runner(controller)
        if runner is not None and cache.open(runner, trial.placement_group_factory):
            runner._maybe_reuse_cached_actor = _ReuseUnlessStarting(runner)
            if fork_server.address():
                runner._class_cache = _PlainActorClasses()
        add(controller, trial)

    def choose_trial_to_run(controller: Any) -> Any:
        if (runner := _runner(controller)) is not None:
            cache.follow(runner)
        return choose(controller)

    setattr(scheduler, "on_trial_add", on_trial_add)  # noqa: B010
    setattr(scheduler, "choose_trial_to_run", choose_trial_to_run)  # noqa: B010
    return scheduler


def _runner(controller: Any) -> Any:
    """Return Tune's own controller, which the scheduler's controller wraps; None if it does not
    have the attributes that `probe` checks."""
    runner = getattr(controller, "_tune_controller", None)
    known = runner is not None and all(hasattr(runner, name) for name in TUNE_CONTROLLER)
    return runner if known else None


class _Cache:
    """Sizes Tune's cache of idle workers: `count()` from the first trial to the last."""

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
        """Resize the cache: as many workers as trials run at once. When no more trials come, let
        idle workers end, which then log their models."""
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


class _ReuseUnlessStarting:
    """Tune's method that gives a trial an idle worker, except a trial whose own worker is starting.

    Tune would end that worker, then start another for the next trial, and so on: with trials
    shorter than a worker's start, one worker ran them all, and the machine was busy with starts
    (0.3 s per no-op trial, not 0.04, in every other sweep). A worker that waits for resources does
    not count as starting: the idle worker may hold those resources.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._reuse = runner._maybe_reuse_cached_actor
        self._since: dict[str, float] = {}

    def __call__(self, trial: Any) -> bool:
        """Return whether the trial was given an idle worker."""
        if not self._is_starting(trial):
            return self._takes(trial)
        # Tune picks any pending trial: give the idle worker to another one.
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
        """Return whether the trial's own process is starting, for less than WORKER_START_S: its
        node may be lost, and with it the resources."""
        runner = self._runner
        actor = runner._trial_to_actor.get(trial)
        if actor is None or trial in runner._resetting_trials:
            return False
        if actor in runner._started_actors or actor not in runner._actor_manager.live_actors:
            return False
        now = time.monotonic()
        return now - self._since.setdefault(trial.trial_id, now) < WORKER_START_S

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as an empty dict: Tune saves all attributes of its controller, but this has no
        state."""
        return dict, ()


class _PlainActorClasses:
    """Replaces Tune's cache of actor classes; its classes have no runtime environment.

    Tune passes on some of the driver's variables, and one that keeps Lightning from forking. Forked
    workers have them already. For a runtime environment Ray would start its runtime-env agent: 1 s
    of a CPU before the first trial.
    """

    def __init__(self) -> None:
        self._classes: dict[type, Any] = {}

    def get(self, trainable_cls: type) -> Any:
        """Return the trainable's actor class, made once."""
        if trainable_cls not in self._classes:
            self._classes[trainable_cls] = ray.remote(trainable_cls)
        return self._classes[trainable_cls]
