"""Tune's own cache of idle workers: how many it keeps, and until when."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler
from ray.tune.utils.object_cache import _ObjectCache

from raysweep.cluster import tune_internals
from raysweep.cluster.tune_internals import keep_workers

CPU = "one CPU"


class Trial(SimpleNamespace):
    """Is its own key."""

    __hash__ = object.__hash__


@dataclass
class Controller:
    """The parts of Tune's controller that `keep_workers` uses, and the scheduler's wrapper of
    it."""

    finished: bool = False
    _actor_cache: Any = field(default_factory=lambda: _ObjectCache(may_keep_one=True))
    _trials: tuple[Any, ...] = ()
    _trial_to_actor: dict[Any, str] = field(default_factory=dict)
    _started_actors: set[str] = field(default_factory=set)
    _resetting_trials: set[Any] = field(default_factory=set)
    _class_cache: Any = None
    _resources_to_pending_trials: dict[str, set[Any]] = field(default_factory=dict)
    _actor_manager: Any = field(default_factory=lambda: SimpleNamespace(live_actors=[]))
    moved: list[Any] = field(default_factory=list)
    """The trials that got an idle worker."""

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        self.moved.append(trial)
        return True

    @property
    def _tune_controller(self) -> Controller:
        return self

    @property
    def _search_alg(self) -> Any:
        return SimpleNamespace(is_finished=lambda: self.finished)

    def get_trials(self) -> tuple[Any, ...]:
        return self._trials

    def keeps(self) -> int:
        """Return how many of five workers stay if their trials end at the same time."""
        for worker in range(5):
            self._actor_cache.cache_object(CPU, worker)
        list(self._actor_cache.flush_cached_objects())
        kept: int = self._actor_cache.num_cached_objects
        while self._actor_cache.pop_cached_object(CPU) is not None:
            pass
        return kept


class Older(Controller):
    """A Tune that lacks one of the names."""

    def __getattribute__(self, name: str) -> Any:
        if name == "_resetting_trials":
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.fixture
def trial() -> Any:
    return Trial(placement_group_factory=CPU, trial_id="a")


def test_tune_alone_keeps_one_of_the_workers_that_end_together(trial: Any) -> None:
    controller = Controller()
    FIFOScheduler().on_trial_add(controller, trial)
    assert controller.keeps() == 1


def test_as_many_workers_are_kept_as_run_at_once(trial: Any) -> None:
    controller, scheduler = Controller(), keep_workers(FIFOScheduler(), lambda: 3)
    for _ in range(4):
        scheduler.on_trial_add(controller, trial)
    scheduler.choose_trial_to_run(controller)
    assert controller.keeps() == 3


def test_no_worker_is_kept_when_no_more_trials_come(trial: Any) -> None:
    controller, scheduler = Controller(), keep_workers(FIFOScheduler(), lambda: 3)
    scheduler.on_trial_add(controller, trial)
    controller.finished = True
    for _ in range(2):
        scheduler.choose_trial_to_run(controller)
    assert controller._actor_cache.total_max_objects == 0
    scheduler.on_trial_add(controller, trial)  # one whose process died
    assert controller._actor_cache.total_max_objects == 0


def wanting(controller: Controller, name: str, *, has_room: bool) -> Any:
    """Make a trial for which a worker was requested."""
    trial = Trial(placement_group_factory=CPU, trial_id=name)
    controller._trial_to_actor[trial] = name
    controller._resources_to_pending_trials.setdefault(CPU, set()).add(trial)
    if has_room:
        controller._actor_manager.live_actors.append(name)
    return trial


def test_a_starting_worker_keeps_its_trial_and_another_gets_the_idle_one(trial: Any) -> None:
    controller = Controller()
    keep_workers(FIFOScheduler(), lambda: 2).on_trial_add(controller, trial)
    starting = wanting(controller, "starting", has_room=True)
    assert not controller._maybe_reuse_cached_actor(starting)
    assert controller.moved == []
    waiting = wanting(controller, "waiting", has_room=False)
    assert not controller._maybe_reuse_cached_actor(starting)
    assert controller.moved == [waiting]


def test_a_trial_whose_worker_waits_for_resources_gets_the_idle_one(trial: Any) -> None:
    controller = Controller()
    keep_workers(FIFOScheduler(), lambda: 2).on_trial_add(controller, trial)
    waiting = wanting(controller, "waiting", has_room=False)
    assert controller._maybe_reuse_cached_actor(waiting)


def test_a_worker_that_takes_too_long_loses_its_trial(
    trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = Controller()
    keep_workers(FIFOScheduler(), lambda: 2).on_trial_add(controller, trial)
    starting = wanting(controller, "starting", has_room=True)
    assert not controller._maybe_reuse_cached_actor(starting)
    later = time.monotonic() + tune_internals.WORKER_START_S
    monkeypatch.setattr(tune_internals.time, "monotonic", lambda: later)
    assert controller._maybe_reuse_cached_actor(starting)


def test_a_tune_that_lacks_a_name_is_left_unchanged(trial: Any) -> None:
    controller, scheduler = Older(), keep_workers(FIFOScheduler(), lambda: 3)
    scheduler.on_trial_add(controller, trial)
    scheduler.choose_trial_to_run(controller)
    assert controller.keeps() == 1


def test_switched_off_tune_keeps_its_own_number_of_workers(
    trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYSWEEP_FAST_START", "0")
    controller, scheduler = Controller(), keep_workers(FIFOScheduler(), lambda: 3)
    scheduler.on_trial_add(controller, trial)
    assert controller.keeps() == 1
