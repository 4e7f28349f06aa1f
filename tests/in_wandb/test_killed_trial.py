"""kill -9 of a trial: W&B has it as crashed, and the sweep ends with a best."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import wandb

from commands import raysweep, start
from running_sweep import Sweep
from sweeps import digits, grid
from wandb_server import WandbServer

PROJECT = "killed-in-mid-sweep"


def test_a_killed_trial_is_crashed_there_too(
    server: WandbServer,
    api: wandb.Api,
    write: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    config = digits(
        grid(learning_rate=[0.01, 0.003]),
        train={"epochs": 25},
        tracking={"project": PROJECT},
    )
    storage = tmp_path / "runs"
    arguments = ("run", write(config), "--tracker", "wandb", "--name", "mine")
    process = start(*arguments, "--storage", storage, cwd=tmp_path, new_session=True)
    one = Sweep("mine", storage, process)
    try:
        one.wait_for("epoch 2/25")
        os.kill(one.trials()[0].pid, SIGKILL)
        assert one.end() == 0, one.lines
        assert one.leaves() == []
    finally:
        one.clear_away()
    runs = {run.name: run for run in api.runs(f"{server.entity}/{PROJECT}", lazy=False)}
    trials = {name: run for name, run in runs.items() if name.startswith("trial-")}
    assert sorted(run.state for run in trials.values()) == ["failed", "finished"]
    (dead,) = (run for run in trials.values() if run.state == "failed")
    assert dead.summary["error"] == "the process ended without finishing the run"
    assert all(run.state == "finished" for name, run in runs.items() if name not in trials)
    synced = raysweep("sync", "--storage", storage, "--json")
    assert len(synced["runs"]["sent"]) <= 1, "at most what the killed one had not sent yet"
    assert synced["lacking"] == {}
