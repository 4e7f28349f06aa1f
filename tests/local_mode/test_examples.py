"""The worked examples of configs/examples, end to end, each with its lineage."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from raysweep import run_sweep
from raysweep.config import load_config

from commands import REPOSITORY
from sweeps import HAS_LOCAL_MODE, runs_by_job, stored

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]

EXAMPLES = REPOSITORY / "configs" / "examples"
ONE_CPU = "resources.cpus=1"


def test_another_data_set_is_one_line(mini_fashion: Path, tmp_path: Path) -> None:
    changes = [
        f"data.root={mini_fashion}", "data.train_size=200", ONE_CPU, "train.epochs=1",
        "train.batch_size=50", "sweep.run_cap=2",
    ]  # fmt: skip
    config = load_config(EXAMPLES / "fashionmnist.yaml", changes)
    result = run_sweep(config, storage=tmp_path / "runs")
    assert result.artifacts == {
        "fashionmnist-raw": "v0", "fashionmnist-preprocess": "v0", "convnet": "v0",
    }  # fmt: skip
    tracker = stored(tmp_path / "runs").tracker()
    assert tracker.artifact("fashionmnist-raw:v0").metadata["sizes"] == [200, 100, 60]
    assert 0 <= result.test.accuracy <= 100


def test_a_custom_network(tmp_path: Path) -> None:
    config = load_config(EXAMPLES / "own_mlp.yaml", [ONE_CPU, "data.train_size=600"])
    result = run_sweep(config, storage=tmp_path)
    assert result.trials.completed == 4
    assert result.test.accuracy > 60
    assert result.artifacts.keys() == {"digits-raw", "digits-preprocess", "mlp"}
    tracker = stored(tmp_path).tracker()
    jobs = runs_by_job(tracker, result.sweep)
    assert len(jobs["initialize"]) == 4, "one for each architecture"
    for run in jobs["train"]:
        used = next(tracker.artifact(ref) for ref in run.used if ref.startswith("mlp:"))
        assert used.metadata["depth"] == run.config["model"]["depth"]
        assert used.metadata["activation"] == run.config["model"]["activation"]


def test_a_regression_has_neither_pictures_nor_classes_nor_accuracy(tmp_path: Path) -> None:
    config = load_config(EXAMPLES / "regression.yaml", [ONE_CPU])
    result = run_sweep(config, storage=tmp_path)
    tracker = stored(tmp_path).tracker()
    jobs = runs_by_job(tracker, result.sweep)

    assert result.test.keys() == {"rmse", "r2"}
    assert result.test["r2"] > 0.2, "it has learned something"
    assert result.to_json()["test"] == dict(result.test)
    losses = [row.best["validation/rmse"] for row in result.rows if row.best]
    assert result.best.metrics["validation/rmse"] == min(losses)
    assert all(math.isfinite(loss) for loss in losses) and len(losses) == 4

    best = tracker.artifact("trained-model:best")
    assert best.metadata["metrics"].keys() == {"epoch", "train/loss", "validation/rmse"}
    assert result.artifacts.keys() == {"diabetes-raw", "diabetes-preprocess", "regressor"}
    (report,) = jobs["report"]
    assert set(report.used) == {"diabetes-preprocess:v0", best.ref}
    columns, rows = tracker.table(report.id, "largest-errors")
    assert (columns, len(rows)) == (["patient", "progression", "predicted"], 5)
    data = tracker.artifact("diabetes-preprocess:v0")
    assert data.metadata["normalize"] is data.metadata["expand_dims"] is False

    again = run_sweep(config, storage=tmp_path)
    assert again.cached_stages == ("load", "preprocess", "initialize"), "the same bytes, again"
    assert again.artifacts == result.artifacts
    assert again.test == result.test
    assert len(runs_by_job(tracker, again.sweep)["load-data"]) == 1, "it ran all the same"
