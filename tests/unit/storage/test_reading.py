"""A sweep that is there already, and the object that a sweep returns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from raysweep.config import Config
from raysweep.errors import ArtifactNotFound, UserError
from raysweep.events import TrialUpdated
from raysweep.storage.reading import StoredSweep, listed
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.sweep.result import Best, Scores, SweepResult, TrialCounts
from raysweep.tracking import ArtifactVersion

from workshop import PROJECT, Workshop

GOOD = {"validation/loss": 0.1, "validation/accuracy": 97.5}
POOR = {"validation/loss": 2.0, "validation/accuracy": 20.0}

ROWS = (
    TrialUpdated(0, "trial-0000", "failed", {"learning_rate": 9.0}, 1, 3, best=GOOD, error="Boom"),
    TrialUpdated(1, "trial-0001", "stopped", {"learning_rate": 1e-6}, 1, 3, POOR, POOR),
    TrialUpdated(2, "trial-0002", "completed", {"learning_rate": 0.01}, 3, 3, POOR, GOOD),
    TrialUpdated(3, "trial-0003", "completed", {"learning_rate": 0.02}, 3, 3, GOOD, GOOD),
    TrialUpdated(4, "trial-0004", "completed", {"learning_rate": 9.9}, 3, 3, {}, None),
)


@pytest.fixture
def result(tmp_path: Path) -> SweepResult:
    return SweepResult(
        sweep="one",
        project=PROJECT,
        tracker="trackio",
        artifacts={"digits-raw": "v0", "digits-preprocess": "v0", "convnet": "v0"},
        cached_stages=("load",),
        trials=TrialCounts.of(list(ROWS)),
        best=Best("trial-0002", "trained-model:v0", {"learning_rate": 0.01}, GOOD, mean=97.5),
        test=Scores(loss=0.11, accuracy=97.0),
        wall_s=12.34567,
        folder=tmp_path / "one",
        model_path=tmp_path / "one" / "best" / "trained_model.pth",
        promotion="best is trained-model:v0",
        metric="validation/accuracy",
        goal="maximize",
        rows=ROWS,
        links={"project": "https://server/team/artifacts-example"},
        unsent=("report-one",),
    )


def test_the_result_is_the_designs_json(result: SweepResult) -> None:
    assert json.loads(json.dumps(result.to_json())) == {
        "sweep": "one",
        "project": "artifacts-example",
        "tracker": "trackio",
        "artifacts": {"digits-raw": "v0", "digits-preprocess": "v0", "convnet": "v0"},
        "cached_stages": ["load"],
        "trials": {"total": 5, "completed": 3, "stopped": 1, "failed": 1},
        "best": {
            "trial": "trial-0002",
            "artifact": "trained-model:v0",
            "config": {"learning_rate": 0.01},
            "metrics": GOOD,
            "repeats": 1,
            "mean": 97.5,
            "std": None,
        },
        "test": {"loss": 0.11, "accuracy": 97.0},
        "promoted": True,
        "promotion": "best is trained-model:v0",
        "ended_by": "completed",
        "warm_start": None,
        "links": {"project": "https://server/team/artifacts-example"},
        "unsent": ["report-one"],
        "failures": [
            {"trial": "trial-0000", "error": "Boom", "where": None, "log": "logs/trial-0000.log"}
        ],
        "wall_s": 12.346,
    }


def test_the_leaderboard_is_a_frame_best_first(result: SweepResult) -> None:
    frame = result.leaderboard
    assert frame["trial"].tolist() == [f"trial-000{i}" for i in (2, 3, 1, 0, 4)]
    assert frame["state"].tolist() == ["completed", "completed", "stopped", "failed", "completed"]
    assert frame["learning_rate"].tolist() == [0.01, 0.02, 1e-6, 9.0, 9.9]
    assert frame["validation/accuracy"].tolist()[:3] == [97.5, 97.5, 20.0]
    assert frame["error"].tolist()[3] == "Boom"
    assert frame["trained_epochs"].tolist() == [3, 3, 1, 1, 3]
    by_loss = replace(result, metric="validation/loss", goal="minimize").leaderboard
    assert by_loss["trial"].tolist() == frame["trial"].tolist()


@pytest.fixture
def stored(tmp_path: Path, workshop: Workshop, config: Config) -> tuple[Path, ArtifactVersion]:
    """A storage with one sweep, which trained one model; and that model."""
    storage = Storage(tmp_path / "runs")
    record = SweepRecord.new(workshop.sweep.name, PROJECT, None, "trackio")
    storage.create(record, config.to_dict())
    model = workshop.trained(config)
    (tmp_path / "workshop").rename(storage.tracker)
    return storage.root, model


def test_a_sweep_without_a_best_says_so(stored: tuple[Path, ArtifactVersion]) -> None:
    with pytest.raises(UserError, match="digits-test: has no best"):
        StoredSweep.find(stored[0], None).result()


def test_the_lineage_is_that_of_the_sweeps_project(stored: tuple[Path, ArtifactVersion]) -> None:
    storage, model = stored
    lineage = StoredSweep.find(storage, None).lineage("trained-model:latest")
    assert lineage.focus == f"artifact:{model.ref}"
    names = {f"{node.name}:{node.version}" for node in lineage.nodes if node.kind == "artifact"}
    assert names == {"digits-raw:v0", "digits-preprocess:v0", "convnet:v0", model.ref}
    assert {node.job_type for node in lineage.nodes if node.kind == "run"} == {
        "load-data",
        "preprocess-data",
        "initialize",
        "train",
    }
    with pytest.raises(ArtifactNotFound, match="there is convnet"):
        StoredSweep.find(storage, None).lineage("no-such-model")


def test_a_winner_without_a_model_is_listed(
    stored: tuple[Path, ArtifactVersion], result: SweepResult, tmp_path: Path
) -> None:
    sweep = StoredSweep.find(stored[0], None)
    without = replace(result, best=replace(result.best, artifact=None), model_path=None)
    sweep.folder.write_result(without.to_json())
    (row,) = listed(sweep.storage, pytest.fail)
    assert row["result"] == without.to_json()
    with pytest.raises(UserError, match="its best trial logged no model"):
        sweep.download_best(tmp_path / "mine")


def test_the_winner_is_downloaded_into_a_new_folder(
    stored: tuple[Path, ArtifactVersion], result: SweepResult, tmp_path: Path
) -> None:
    storage, model = stored
    sweep = StoredSweep.find(storage, None)
    sweep.folder.write_result(result.to_json() | {"best": {"artifact": model.ref}})
    assert sweep.download_best(tmp_path / "mine") == model.ref
    downloaded = tmp_path / "mine" / "trained_model.pth"
    downloaded.write_bytes(b"the user's own now")  # and not the tracker's blob
    assert sweep.download_best(tmp_path / "again") == model.ref
    with pytest.raises(UserError, match="exists and is not empty"):
        sweep.download_best(tmp_path / "mine")
    with pytest.raises(UserError, match="exists and is not empty"):
        sweep.download_best(downloaded)
    assert downloaded.read_bytes() == b"the user's own now"
