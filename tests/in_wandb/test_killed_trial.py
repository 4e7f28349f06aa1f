"""kill -9 of a trial, and then of the driver: the same runs go on, here and in W&B."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import wandb

from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker

from commands import raysweep, start
from running_sweep import Sweep
from sweeps import digits, grid, runs_by_job
from wandb_server import WandbServer

PROJECT = "killed-in-mid-sweep"
EPOCHS = 20


def test_what_is_killed_goes_on_here_and_there(
    server: WandbServer,
    api: wandb.Api,
    write: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    config = digits(
        grid(learning_rate=[0.01, 0.003]),
        model={"hidden_layer_sizes": [32, 64]},  # slow enough to be killed on the way
        train={"epochs": EPOCHS},
        tracking={"project": PROJECT},
    )
    storage = tmp_path / "runs"
    arguments = ("run", write(config), "--tracker", "wandb", "--name", "mine")
    process = start(*arguments, "--storage", storage, cwd=tmp_path, new_session=True)
    one = Sweep("mine", storage, process)
    try:
        while not all(one.epochs_told(trial) for trial in ("trial-0000", "trial-0001")):
            one.wait_for("  running   epoch ")
        os.kill(one.trials()[0].pid, SIGKILL)
        one.wait_for("its process died; it continues in another")
        one.wait_for("  running   epoch ")
        one.process.kill()
        one.process.wait()
    finally:
        one.clear_away()
    result = raysweep("resume", "--storage", storage, "--json")
    assert result["trials"] == {"total": 2, "completed": 2, "stopped": 0, "failed": 0}
    assert result["tracker"] == "wandb"
    here = histories_here(storage)
    assert all(len(history) == len({row["step"] for row in history}) for history in here.values())
    runs = {run.name: run for run in api.runs(f"{server.entity}/{PROJECT}", lazy=False)}
    assert all(run.state == "finished" for run in runs.values())
    assert sum(name.startswith("trial-") for name in runs) == 2, "the same runs went on"
    there = {name: WandbTracker(PROJECT).history(runs[name].id) for name in here}
    synced = raysweep("sync", "--storage", storage, "--json")
    assert len(synced["runs"]["sent"]) <= 1, "at most what the killed one had not sent yet"
    assert synced["lacking"] == {}
    for name, history in here.items():
        assert sum("validation/accuracy" in row for row in history) == EPOCHS
        if name not in synced["runs"]["sent"]:
            assert there[name] == history


def histories_here(storage: Path) -> dict[str, list[dict[str, Any]]]:
    """Run → its rows in the embedded store, where every trial has finished."""
    tracker = TrackioTracker(TrackioStore(storage / "tracker", PROJECT))
    trained = runs_by_job(tracker, "mine")["train"]
    assert {run.state for run in trained} == {"finished"}
    return {run.name: tracker.history(run.id) for run in trained}
