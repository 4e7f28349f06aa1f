"""Data and preprocessing swept: one version for each distinct setting, and each trial its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep import run_sweep
from raysweep.tracking import Tracker

from sweeps import HAS_LOCAL_MODE, digits, grid, runs_by_job, stored

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

SWEEP = grid(data__train_size=[300, 600], preprocess__normalize=[True, False], epochs=[1])


def raw_of(tracker: Tracker, data: str) -> str:
    raw: str = tracker.artifact(data).metadata["raw"]
    return raw


def test_each_trial_has_its_own_data_and_the_winner_is_scored_on_its_own(tmp_path: Path) -> None:
    sweep = {**SWEEP, "metric": {"name": "train/loss"}}
    result = run_sweep(digits(sweep), storage=tmp_path, local_mode=True)
    tracker = stored(tmp_path).tracker()
    jobs = runs_by_job(tracker, result.sweep)
    counts = {job: len(runs) for job, runs in jobs.items()}
    assert counts == {
        "load-data": 2, "preprocess-data": 4, "initialize": 1, "train": 4, "report": 1,
    }  # fmt: skip
    assert result.cached_stages == ()
    for run in jobs["train"]:
        data = tracker.artifact(run.used[0])
        assert data.metadata["normalize"] == run.config["preprocess"]["normalize"]
        raw = tracker.artifact(raw_of(tracker, data.ref))
        assert raw.metadata["sizes"][0] == run.config["data"]["train_size"]
        model = tracker.artifact(run.logged[0])
        assert model.metadata["requested"] == ["convnet:latest"], "the data is swept"

    best = tracker.artifact(result.best.artifact)
    data = f"digits-preprocess:{best.metadata['used']['digits-preprocess']}"
    (report,) = jobs["report"]
    assert set(report.used) == {data, best.ref}
    name, _, version = raw_of(tracker, data).partition(":")
    assert result.artifacts == {name: version, **best.metadata["used"]}

    again = run_sweep(digits(sweep), storage=tmp_path, local_mode=True)
    assert again.cached_stages == ("initialize", "load", "preprocess")
    assert again.artifacts == result.artifacts


def test_the_data_set_is_swept(tmp_path: Path, mini_fashion: Path) -> None:
    config = digits(
        grid(data__dataset=["digits", "FashionMNIST"], epochs=[1]),
        data={"root": str(mini_fashion), "train_size": 40},
    )
    result = run_sweep(config, storage=tmp_path / "runs", local_mode=True)
    tracker = stored(tmp_path / "runs").tracker()
    used = [run.used[0] for run in runs_by_job(tracker, result.sweep)["train"]]
    assert used == ["digits-preprocess:v0", "fashionmnist-preprocess:v0"]
