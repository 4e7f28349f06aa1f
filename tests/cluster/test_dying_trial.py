"""Trials whose processes die: each time, as for want of memory, or with a machine that is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import RayActorError
from ray.train._internal.storage import StorageContext
from ray.tune.experiment import Trial

from raysweep import run_sweep
from raysweep.pipeline.events import Event, TrialUpdated

from sweeps import digits, runs_by_job, stored

NETWORK = """
import os, signal, sys
from torch import nn

def linear(deadly: bool = False) -> nn.Module:
    if deadly and "raysweep.pipeline.trials.trial" in sys.modules:
        os.kill(os.getpid(), signal.SIGKILL)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""


def test_it_fails_when_it_has_died_often_enough_and_the_others_go_on(
    two_cpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    grid = {"method": "grid", "parameters": {"model.deadly": {"values": [True, False]}}}
    config = digits(grid, resources={"max_failures": 1})
    config["model"] = {"target": "deadly_network:linear"}
    told: list[TrialUpdated] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.index == 0:
            told.append(event)

    result = run_sweep(config, name="mine", storage=tmp_path / "runs", observer=watch)
    assert (result.trials.completed, result.trials.failed) == (1, 1)
    assert result.rows[0].error == "its process died 2 times: killed, or out of memory"
    assert max(row.restarts for row in told) == 1
    tracker = stored(tmp_path / "runs").tracker()
    trials = {run.config["trial"]: run.state for run in runs_by_job(tracker, "mine")["train"]}
    tracker.close()
    assert trials == {"trial-0000": "crashed", "trial-0001": "finished"}


@pytest.mark.parametrize(("preempted", "goes_on"), [(False, False), (True, True)])
def test_a_machine_that_is_taken_away_does_not_count(
    two_cpus: None, preempted: bool, goes_on: bool, tmp_path: Path
) -> None:
    storage = StorageContext(str(tmp_path), "sweep", trial_dir_name="trial")
    trial = Trial("stub", stub=True, storage=storage, max_failures=1)
    Path(str(trial.local_path)).mkdir(parents=True, exist_ok=True)
    trial.handle_error(RayActorError())
    assert trial.should_recover(), "the first death is within the limit"
    trial.handle_error(RayActorError(preempted=preempted))
    assert trial.should_recover() == goes_on
