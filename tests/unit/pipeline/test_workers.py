"""Tune's own cache of workers, as its controller has it: what it keeps, and until when."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler
from ray.tune.utils.object_cache import _ObjectCache

from raysweep.pipeline.trials import workers
from raysweep.pipeline.trials.workers import keep_workers

CPU = "one CPU"


class Trial(SimpleNamespace):
    """As a key, itself."""

    __hash__ = object.__hash__


@dataclass
class Controller:
    """What `keep_workers` sees of Tune's, and the wrapper that a scheduler is handed, in one."""

    finished: bool = False
    _actor_cache: Any = field(default_factory=lambda: _ObjectCache(may_keep_one=True))
    _trials: tuple[Any, ...] = ()
    _trial_to_actor: dict[Any, str] = field(default_factory=dict)
    _resetting_trials: set[Any] = field(default_factory=set)

    @property
    def _tune_controller(self) -> Controller:
        return self

    @property
    def _search_alg(self) -> Any:
        return SimpleNamespace(is_finished=lambda: self.finished)

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        return True

    def get_trials(self) -> tuple[Any, ...]:
        return self._trials

    def keeps(self) -> int:
        """How many of five workers whose trials end at one time are still there afterwards."""
        for worker in range(5):
            self._actor_cache.cache_object(CPU, worker)
        list(self._actor_cache.flush_cached_objects())
        kept: int = self._actor_cache.num_cached_objects
        while self._actor_cache.pop_cached_object(CPU) is not None:
            pass
        return kept


@pytest.fixture
def trial() -> Any:
    return Trial(placement_group_factory=CPU, trial_id="a")


def test_tune_alone_keeps_one_of_those_that_end_together(trial: Any) -> None:
    controller = Controller()
    FIFOScheduler().on_trial_add(controller, trial)
    assert controller.keeps() == 1


def test_as_many_are_kept_as_run_at_once(trial: Any) -> None:
    controller, scheduler = Controller(), keep_workers(FIFOScheduler(), 3)
    for _ in range(4):
        scheduler.on_trial_add(controller, trial)
    scheduler.choose_trial_to_run(controller)
    assert controller.keeps() == 3


def test_none_is_kept_when_no_trial_comes_any_more(trial: Any) -> None:
    controller, scheduler = Controller(), keep_workers(FIFOScheduler(), 3)
    scheduler.on_trial_add(controller, trial)
    controller.finished = True
    for _ in range(2):
        scheduler.choose_trial_to_run(controller)
    assert controller._actor_cache.total_max_objects == 0
    scheduler.on_trial_add(controller, trial)  # one whose process died
    assert controller._actor_cache.total_max_objects == 0


def test_a_worker_that_is_starting_keeps_its_trial(trial: Any) -> None:
    controller = Controller(_trial_to_actor={trial: "starting"})
    keep_workers(FIFOScheduler(), 2).on_trial_add(controller, trial)
    assert not controller._maybe_reuse_cached_actor(trial)
    assert controller._maybe_reuse_cached_actor(Trial(trial_id="b")), "which has no worker yet"


def test_one_that_cannot_start_loses_it(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(_trial_to_actor={trial: "starting"})
    keep_workers(FIFOScheduler(), 2).on_trial_add(controller, trial)
    now = [0.0]
    monkeypatch.setattr(workers.time, "monotonic", lambda: now[0])
    assert not controller._maybe_reuse_cached_actor(trial)
    now[0] = workers.PATIENCE_S
    assert controller._maybe_reuse_cached_actor(trial)


def test_a_trial_that_is_being_handed_to_a_worker_is_left_alone(trial: Any) -> None:
    controller = Controller(_trial_to_actor={trial: "reused"}, _resetting_trials={trial})
    keep_workers(FIFOScheduler(), 2).on_trial_add(controller, trial)
    assert controller._maybe_reuse_cached_actor(trial)


def test_what_is_put_into_tunes_controller_can_be_written_down(trial: Any) -> None:
    controller = Controller()
    keep_workers(FIFOScheduler(), 2).on_trial_add(controller, trial)
    assert pickle.loads(pickle.dumps(controller._maybe_reuse_cached_actor)) == {}
