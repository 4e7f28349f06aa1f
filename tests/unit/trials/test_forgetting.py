"""What Ray Tune keeps of a trial that has ended."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial

from raysweep.cluster.tune_internals import stub_trial
from raysweep.search.spec import TrialSpec
from raysweep.trials.forgetting import KEPT, Forgetting
from raysweep.trials.reports import TrialReport, result_of


def ended_trial(index: int) -> Any:
    """A trial of Tune's that has reported twice, as a real one does."""
    trial = stub_trial(f"{index}")
    trial.set_status(Trial.RUNNING)
    for epochs in (1, 2):
        report = TrialReport(epochs, 100 * epochs, {"loss": 1.5}, {"loss": 1.5}, last=epochs == 2)
        result = result_of(TrialSpec(index, {"rate": 0.1}), report, "loss")
        trial.update_last_result({**result, "training_iteration": epochs, "time_total_s": 3.5})
    trial.set_status(Trial.TERMINATED)
    return trial


def size(trial: Any) -> int:
    return len(pickle.dumps((trial.metric_analysis, trial.metric_n_steps, trial.last_result)))


def test_what_a_trial_reported_is_forgotten_when_it_has_ended() -> None:
    trial = ended_trial(0)
    assert size(trial) > 1000
    Forgetting().on_trial_complete(1, [trial], trial)
    assert size(trial) < 50


def test_ended_trials_leave_tunes_list_and_unfinished_ones_stay() -> None:
    forgetting, trials = Forgetting(), [stub_trial("waits")]
    waiting = trials[0]
    for index in range(10 * KEPT):
        trials.append(ended_trial(index))
        forgetting.on_step_begin(index, trials)
        assert trials[0] is waiting
        assert len(trials) <= KEPT
    last = trials[-1]
    assert last.trial_id == f"{10 * KEPT - 1}", "without any, Tune would read all from its files"


def test_the_list_of_another_tune_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: Any) -> None:
        self._callbacks.on_step_begin(iteration=self._iteration, trials=list(self._trials))

    monkeypatch.setattr(TuneController, "step", step)
    trials = [ended_trial(index) for index in range(KEPT + 1)]
    Forgetting().on_step_begin(1, trials)
    assert len(trials) == KEPT + 1


def test_a_list_of_running_trials_is_not_gone_through_at_each_step() -> None:
    looks = []

    class Running:
        def is_finished(self) -> bool:
            looks.append(1)
            return False

    forgetting = Forgetting()
    trials: list[Any] = [Running() for _ in range(10 * KEPT)]
    for step in range(100):
        forgetting.on_step_begin(step, trials)
    assert len(trials) == 10 * KEPT
    assert len(looks) < 10 * KEPT
