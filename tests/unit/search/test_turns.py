"""Which trial Tune starts next, and how many it looks at for that."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from raysweep.cluster.tune_internals import stub_trial
from raysweep.search.turns import InTurn

STATES = (Trial.PENDING, Trial.RUNNING, Trial.PAUSED, Trial.TERMINATED, Trial.ERROR)


class Controller(SimpleNamespace):
    """Tune's controller as a scheduler sees it."""

    trials: list[Any]

    def get_trials(self) -> list[Any]:
        return self.trials


def test_the_next_trial_is_the_one_that_tunes_own_scheduler_chooses() -> None:
    rng, ours, theirs = random.Random(0), InTurn(), FIFOScheduler()  # type: ignore[no-untyped-call]
    controller = Controller(trials=[])
    chosen = set()
    for number in range(300):
        trial = stub_trial(f"{number}")
        controller.trials.append(trial)
        ours.on_trial_add(controller, trial)
        changed = rng.choice(controller.trials)
        if changed.status not in (Trial.TERMINATED, Trial.ERROR):
            changed.status = rng.choice(STATES)
        if rng.random() < 0.1:
            for each in controller.trials:
                each.status = Trial.TERMINATED if each.status == Trial.PENDING else each.status
        found = ours.choose_trial_to_run(controller)
        assert found is theirs.choose_trial_to_run(controller)
        chosen.add(found and found.status)
    assert chosen == {None, Trial.PENDING, Trial.PAUSED}


def test_a_trial_that_is_added_again_is_the_last() -> None:
    """Tune does that with one that it starts again."""
    controller, scheduler = Controller(trials=[]), InTurn()
    one, other = stub_trial("1"), stub_trial("2")
    for trial in (one, other, one):
        scheduler.on_trial_add(controller, trial)
    assert scheduler.choose_trial_to_run(controller) is other


def test_trials_of_a_replay_are_never_started() -> None:
    scheduler = InTurn()
    scheduler.on_trial_add(None, stub_trial("1"))
    assert scheduler.choose_trial_to_run(Controller(trials=[])) is None


def test_trials_that_have_ended_are_not_looked_at_again() -> None:
    looked = []

    class Watched:
        """A trial that notes each look."""

        def __init__(self, status: str) -> None:
            self.state = status

        @property
        def status(self) -> str:
            looked.append(self)
            return self.state

        def is_finished(self) -> bool:
            return self.status == Trial.TERMINATED

    scheduler, controller = InTurn(), Controller(trials=[])
    for _ in range(1000):
        scheduler.on_trial_add(controller, Watched(Trial.TERMINATED))
    scheduler.on_trial_add(controller, waiting := Watched(Trial.PENDING))
    assert scheduler.choose_trial_to_run(controller) is waiting
    looked.clear()
    assert scheduler.choose_trial_to_run(controller) is waiting
    assert looked == [waiting] * 2
