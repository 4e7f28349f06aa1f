"""Swept data and preprocessing: one version for each distinct setting, used by its trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep import run_sweep

from sweeps import HAS_LOCAL_MODE, digits, grid, runs_by_job, stored

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")


def test_each_trial_has_its_own_data_and_the_winner_is_scored_on_its_own(
    tmp_path: Path, mini_fashion: Path
) -> None:
    config = digits(
        grid(data__dataset=["digits", "FashionMNIST"], preprocess__normalize=[True, False]),
        data={"root": str(mini_fashion), "train_size": 200},
        train={"epochs": 1},
    )
    result = run_sweep(config, storage=tmp_path / "runs", local_mode=True)
    tracker = stored(tmp_path / "runs").tracker()
    jobs = runs_by_job(tracker, result.sweep)
    counts = {job: len(runs) for job, runs in jobs.items()}
    assert counts == {
        "load-data": 2, "preprocess-data": 4, "initialize": 1, "train": 4, "report": 1,
    }  # fmt: skip
    assert result.cached_stages == ()
    for run in jobs["train"]:
        data = tracker.artifact(run.used[0])
        name = run.config["data"]["dataset"].lower()
        assert data.name == f"{name}-preprocess"
        assert data.metadata["raw"] == f"{name}-raw:v0"
        assert data.metadata["normalize"] == run.config["preprocess"]["normalize"]
        model = tracker.artifact(run.logged[0])
        assert model.metadata["used"] == {data.name: data.version, "convnet": "v0"}
        assert model.metadata["requested"] == ["convnet:latest"], "the data is swept"

    best = tracker.artifact(result.best.artifact)
    (name,) = (each for each in best.metadata["used"] if each.endswith("-preprocess"))
    (report,) = jobs["report"]
    assert set(report.used) == {f"{name}:{best.metadata['used'][name]}", best.ref}
    raw = name.replace("-preprocess", "-raw")
    assert result.artifacts == {raw: "v0", **best.metadata["used"]}
