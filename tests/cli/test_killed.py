"""kill -9: of a trial's process, of the driver; and two sweeps at once on one storage."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from signal import SIGKILL

import pytest

from raysweep.errors import ArtifactNotFound
from raysweep.tracking import RunRecord, Tracker

from running_sweep import AGENTS, Sweep
from sweeps import runs_by_job, stored


def epochs_kept(tracker: Tracker, run: RunRecord) -> int:
    """A row with validation metrics is an epoch. What was told was flushed, so it must be kept."""
    return sum("validation/accuracy" in row for row in tracker.history(run.id))


def test_a_killed_trial_is_one_failed_trial(sweep: Callable[..., Sweep]) -> None:
    one = sweep("mine", 25)
    one.wait_for("epoch 2/25")
    os.kill(one.trials()[0].pid, SIGKILL)
    assert one.end() == 0
    said = "\n".join(one.lines)
    assert "2 trials: 1 completed, 0 stopped early, 1 failed" in said
    assert " failed: the trial's process died: killed, or out of memory" in said
    tracker = stored(one.storage).tracker()
    runs = {run.state: run for run in runs_by_job(tracker, "mine")["train"]}
    assert runs.keys() == {"finished", "crashed"}
    name = runs["crashed"].config["trial"]
    assert epochs_kept(tracker, runs["crashed"]) >= one.epochs_told(name)
    tracker.close()


def test_a_killed_sweep_is_closed_by_the_next_ones_though_two_start_at_once(
    sweep: Callable[..., Sweep],
) -> None:
    dead = sweep("dead", 200)
    dead.wait_for("epoch 2/200")
    dead.process.kill()
    dead.process.wait()
    assert dead.leaves(but=AGENTS) == []

    both = [sweep(name, 1) for name in ("one", "two")]
    assert [one.end(180) for one in both] == [0, 0], [one.lines for one in both]

    tracker = stored(dead.storage).tracker()
    crashed = runs_by_job(tracker, "dead")["train"]
    assert {run.state for run in crashed} == {"crashed"}
    told = {run.id: dead.epochs_told(run.config["trial"]) for run in crashed}
    assert max(told.values()) == 2
    assert all(epochs_kept(tracker, run) >= told[run.id] for run in crashed)
    assert all(run.state != "running" for run in tracker.runs())
    left = {path.name for path in (dead.storage / "dead").iterdir()}
    assert left == {"config.yaml", "sweep.json"}

    made = {one.name: runs_by_job(tracker, one.name)["train"] for one in both}
    models = [run.logged[0] for runs in made.values() for run in runs]
    assert sorted(models) == [f"trained-model:v{i}" for i in range(4)]
    with pytest.raises(ArtifactNotFound):
        tracker.artifact("digits-raw:v1")
    tracker.close()
    for name, runs in made.items():
        result = json.loads((dead.storage / name / "result.json").read_text())
        assert result["best"]["artifact"] in [run.logged[0] for run in runs]
