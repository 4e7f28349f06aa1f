"""kill -9 of the driver, and two sweeps at once on one storage.

tests/in_wandb/test_killed_trial.py kills a trial's process, for both trackers at once.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.errors import ArtifactNotFound

from running_sweep import Sweep
from sweeps import HAS_LOCAL_MODE, epochs_kept, runs_by_job, stored


def test_a_killed_sweep_is_closed_by_the_next_ones_though_two_start_at_once(
    sweep: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # of this test's sweeps alone
    dead = sweep("dead", 200)
    dead.wait_for("epoch 2/200")
    dead.process.kill()
    dead.process.wait()
    assert dead.leaves() == []
    ray = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir())) / "ray"
    (session,) = ray.glob(f"session_*_{dead.process.pid}")

    quick = ("--local-mode",) if HAS_LOCAL_MODE else ()
    both = [sweep(name, 1, options=quick) for name in ("one", "two")]
    assert [one.end(180) for one in both] == [0, 0], [one.lines for one in both]

    assert not session.exists(), "what its Ray had left"
    tracker = stored(dead.storage).tracker()
    crashed = runs_by_job(tracker, "dead")["train"]
    assert {run.state for run in crashed} == {"crashed"}
    told = {run.id: dead.epochs_told(run.config["trial"]) for run in crashed}
    assert max(told.values()) == 2
    assert all(epochs_kept(tracker, run) >= told[run.id] for run in crashed)
    assert all(run.state != "running" for run in tracker.runs())
    left = {path.name for path in (dead.storage / "dead").iterdir()}
    assert left == {
        "checkpoints",
        "config.given.yaml",
        "logs",
        "config.yaml",
        "journal.jsonl",
        "sweep.json",
    }

    made = {one.name: runs_by_job(tracker, one.name)["train"] for one in both}
    models = [run.logged[0] for runs in made.values() for run in runs]
    assert sorted(models) == [f"trained-model:v{i}" for i in range(4)]
    with pytest.raises(ArtifactNotFound):
        tracker.artifact("digits-raw:v1")
    tracker.close()
    for name, runs in made.items():
        result = json.loads((dead.storage / name / "result.json").read_text())
        assert result["best"]["artifact"] in [run.logged[0] for run in runs]
