"""Tune's own cache of workers, as its controller has it: what it keeps, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler
from ray.tune.utils.object_cache import _ObjectCache

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

    @property
    def _tune_controller(self) -> Controller:
        return self

    @property
    def _search_alg(self) -> Any:
        return SimpleNamespace(is_finished=lambda: self.finished)

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
