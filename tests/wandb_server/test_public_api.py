"""`wandb.Api()` as a user has it, over a run that the real client logged."""

from __future__ import annotations

import numpy as np
import pytest
import wandb
from wandb.errors import CommError

from wandb_server import lent

ROWS = [{"_step": step, "loss": 1 / step, "accuracy": step} for step in (128, 256, 384)]


@pytest.fixture(scope="module")
def place():
    """entity/project, with the runs `load` and `train`."""
    with lent() as server:
        project = f"{server.entity}/public-api"
        with wandb.init(project="public-api", id="load", job_type="load-data") as run:
            log_artifact(run, "mnist-raw", "data")
        common = {"name": "trial 1", "group": "sweep", "job_type": "train", "tags": ["nightly"]}
        config = {"lr": 0.1, "model": {"dropout": 0.5}}
        with wandb.init(project="public-api", id="train", config=config, **common) as run:
            run.use_artifact("mnist-raw:latest")
            for row in ROWS:
                run.log({k: v for k, v in row.items() if k != "_step"}, step=row["_step"])
            image = wandb.Image(np.zeros((4, 4), np.uint8), caption="7,1")
            run.log({"examples": [image, image]}, step=500)
            run.summary["best"] = 0.5
            log_artifact(run, "model", "one")
            log_artifact(run, "model", "two")
        return project


def log_artifact(run: wandb.Run, name: str, text: str) -> None:
    artifact = wandb.Artifact(name, type="any", description=name, metadata={"text": text})
    with artifact.new_file("folder/f") as file:
        file.write(text)
    run.log_artifact(artifact).wait()


@pytest.fixture
def api(place):
    with lent():
        yield wandb.Api()


def test_a_run(api, place):
    run = api.run(f"{place}/train")
    assert (run.name, run.group, run.job_type, run.tags) == (
        "trial 1",
        "sweep",
        "train",
        ["nightly"],
    )
    assert run.state == "finished"
    assert run.config == {"lr": 0.1, "model": {"dropout": 0.5}}
    assert (run.summary["best"], run.summary["accuracy"]) == (0.5, 384)
    assert run.url.endswith(f"{place}/runs/train")
    assert run.lastHistoryStep == 500


def test_a_history_in_all_ways(api, place):
    run = api.run(f"{place}/train")
    assert list(run.scan_history(keys=["_step", "loss", "accuracy"])) == ROWS
    scanned = [row["_step"] for row in run.scan_history(page_size=100)]
    assert scanned == [128, 256, 384, 500]
    assert [row["loss"] for row in run.history(keys=["loss"], pandas=False)] == [
        1 / 128,
        1 / 256,
        1 / 384,
    ]
    assert len(run.history()) == 4


def test_files_and_media(api, place, tmp_path):
    run = api.run(f"{place}/train")
    images = run.summary["examples"]
    assert images["captions"] == ["7,1", "7,1"]
    names = {file.name for file in run.files()}
    assert {"config.yaml", "wandb-summary.json", *images["filenames"]} <= names
    assert [file.name for file in run.files(pattern="%.yaml")] == ["config.yaml"]
    run.file("config.yaml").download(root=str(tmp_path)).close()
    assert "dropout" in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["load", "train"]),
        ({"group": "sweep"}, ["train"]),
        ({"jobType": {"$in": ["load-data", "report"]}}, ["load"]),
        ({"$and": [{"state": "finished"}, {"tags": "nightly"}]}, ["train"]),
        ({"$or": [{"config.lr": 0.1}, {"name": "load"}]}, ["load", "train"]),
        ({"summary_metrics.best": 0.5, "display_name": "trial 1"}, ["train"]),
        ({"group": "none"}, []),
    ],
)
def test_runs_by_filter(api, place, filters, found):
    assert [run.id for run in api.runs(place, filters=filters)] == found
    assert [run.id for run in api.runs(place, filters=filters, order="-created_at")] == found[::-1]


def test_many_runs_in_pages(api, place):
    assert [run.id for run in api.runs(place, per_page=1)] == ["load", "train"]


def test_an_artifact_and_its_lineage(api, place):
    artifact = api.artifact(f"{place}/model:latest")
    assert (artifact.version, artifact.aliases) == ("v1", ["latest"])
    assert (artifact.type, artifact.description, artifact.metadata) == (
        "any",
        "model",
        {"text": "two"},
    )
    assert (artifact.size, artifact.file_count) == (3, 1)
    assert artifact.logged_by().id == "train"
    raw = api.artifact(f"{place}/mnist-raw:v0")
    assert [run.id for run in raw.used_by()] == ["train"]
    train = api.run(f"{place}/train")
    assert [a.name for a in train.used_artifacts()] == ["mnist-raw:v0"]
    assert [a.name for a in train.logged_artifacts()] == ["model:v0", "model:v1"]


def test_an_artifacts_files(api, place, tmp_path):
    artifact = api.artifact(f"{place}/model:v0")
    assert [(file.name, file.size) for file in artifact.files()] == [("folder/f", 3)]
    artifact.download(root=str(tmp_path))
    assert (tmp_path / "folder" / "f").read_text() == "one"
    artifact.verify(str(tmp_path))


def test_collections_and_types(api, place):
    assert [type_.name for type_ in api.artifact_types(place)] == ["any"]
    names = [collection.name for collection in api.artifact_collections(place, "any")]
    assert names == ["mnist-raw", "model"]
    assert api.artifact_collection("any", f"{place}/model").aliases == ["latest"]
    versions = [artifact.version for artifact in api.artifacts("any", f"{place}/model", per_page=1)]
    assert versions == ["v1", "v0"]
    assert "public-api" in [project.name for project in api.projects()]
    assert api.viewer.username == place.partition("/")[0]


def test_what_a_user_changes(api, place):
    artifact = api.artifact(f"{place}/model:v0")
    artifact.aliases.append("best")
    artifact.description = "the first"
    artifact.save()
    again = api.artifact(f"{place}/model:best")
    assert (again.version, again.description) == ("v0", "the first")
    again.aliases.remove("best")
    again.save()
    assert not api.artifact_exists(f"{place}/model:best")

    run = api.run(f"{place}/load")
    run.config["note"] = "mine"
    run.summary["seen"] = True
    run.update()
    api.flush()
    run = api.run(f"{place}/load")
    assert (run.config["note"], run.summary["seen"], run.state) == ("mine", True, "finished")


def test_what_is_not_there(api, place):
    assert not api.artifact_exists(f"{place}/model:v9")
    assert not api.artifact_exists(f"{place}/nothing")
    with pytest.raises(CommError, match="no-such-run"):
        api.run(f"{place}/no-such-run")
    with pytest.raises(ValueError, match="Could not find project"):
        len(api.runs(f"{place}-not"))
