"""kill -9 of a trial: one failed trial, crashed in both trackers, and the sweep has a best."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import wandb

from raysweep.tracking import Tracker
from raysweep.tracking.embedded import TrackioTracker
from raysweep.tracking.trackio_store import TrackioStore

from commands import raysweep, start
from running_sweep import Sweep
from sweeps import digits, epochs_kept, grid, runs_by_job
from wandb_server import WandbServer

PROJECT = "killed-in-mid-sweep"


def test_a_killed_trial_is_one_failed_trial_here_and_there(
    server: WandbServer,
    api: wandb.Api,
    write: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    config = digits(
        grid(learning_rate=[0.01, 0.003]),
        model={"hidden_layer_sizes": [32, 64]},  # slow enough to be killed on the way
        train={"epochs": 20},
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
        assert one.end() == 0, one.lines
        assert one.leaves() == []
    finally:
        one.clear_away()
    said = "\n".join(one.lines)
    assert "2 trials: 1 completed, 0 stopped early, 1 failed" in said
    assert " failed: the trial's process died: killed, or out of memory" in said
    assert_kept(one)
    runs = {run.name: run for run in api.runs(f"{server.entity}/{PROJECT}", lazy=False)}
    trials = {name: run for name, run in runs.items() if name.startswith("trial-")}
    assert sorted(run.state for run in trials.values()) == ["failed", "finished"]
    (dead,) = (run for run in trials.values() if run.state == "failed")
    assert dead.summary["error"] == "the process ended without finishing the run"
    assert all(run.state == "finished" for name, run in runs.items() if name not in trials)
    synced = raysweep("sync", "--storage", storage, "--json")
    assert len(synced["runs"]["sent"]) <= 1, "at most what the killed one had not sent yet"
    assert synced["lacking"] == {}


def assert_kept(one: Sweep) -> None:
    """The embedded store has the killed trial as crashed, with every epoch that was told."""
    tracker = embedded(one)
    here = {run.state: run for run in runs_by_job(tracker, "mine")["train"]}
    assert here.keys() == {"finished", "crashed"}
    name = here["crashed"].config["trial"]
    assert epochs_kept(tracker, here["crashed"]) >= one.epochs_told(name) >= 1, "and there was one"


def embedded(one: Sweep) -> Tracker:
    return TrackioTracker(TrackioStore(one.storage / "tracker", PROJECT))
