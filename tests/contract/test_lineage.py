"""Lineage: ancestors and descendants of one version, and no other nodes."""

from __future__ import annotations

import pytest


@pytest.fixture
def graph(start, draft):
    """The lineage of a sweep with two trials, and an unrelated version from the raw data's run."""
    load = start("load", job_type="load-data")
    load.log_artifact(draft("mnist-raw"))
    load.log_artifact(draft("notes", type="text"))
    preprocess = start("preprocess", job_type="preprocess-data")
    preprocess.use_artifact("mnist-raw")
    preprocess.log_artifact(draft("mnist-preprocess"))
    start("initialize", job_type="initialize").log_artifact(draft("convnet", type="model"))
    for trial in ("one", "two"):
        run = start(f"train-{trial}", job_type="train")
        run.use_artifact("mnist-preprocess")
        run.use_artifact("convnet")
        run.log_artifact(draft("trained-model", metadata={"trial": trial}, type="model"))
    report = start("report", job_type="report")
    report.use_artifact("trained-model:v1")
    report.use_artifact("mnist-preprocess")
    report.finish()


TO_V1 = {
    ("run:load", "artifact:mnist-raw:v0"),
    ("artifact:mnist-raw:v0", "run:preprocess"),
    ("run:preprocess", "artifact:mnist-preprocess:v0"),
    ("artifact:mnist-preprocess:v0", "run:train-two"),
    ("run:initialize", "artifact:convnet:v0"),
    ("artifact:convnet:v0", "run:train-two"),
    ("run:train-two", "artifact:trained-model:v1"),
    ("artifact:trained-model:v1", "run:report"),
    ("artifact:mnist-preprocess:v0", "run:report"),
}


def test_a_model_comes_from_its_data_and_not_from_its_siblings(tracker, graph):
    tracker.set_alias("trained-model:v1", "best")
    lineage = tracker.lineage("trained-model:best")
    assert lineage.focus == "artifact:trained-model:v1"
    assert set(lineage.edges) == TO_V1
    assert len(lineage.edges) == len(TO_V1)
    assert {node.id for node in lineage.nodes} == {end for edge in TO_V1 for end in edge}


def test_raw_data_leads_to_everything_made_of_it(tracker, graph):
    ids = {node.id for node in tracker.lineage("mnist-raw").nodes}
    assert {"artifact:trained-model:v0", "artifact:trained-model:v1", "run:report"} <= ids
    assert "artifact:notes:v0" not in ids
    assert "artifact:convnet:v0" not in ids


def test_an_artifact_that_nobody_used_has_a_producer(tracker, graph):
    lineage = tracker.lineage("notes")
    assert lineage.edges == (("run:load", "artifact:notes:v0"),)


def test_nodes_have_kinds_and_follow_the_datas_order(tracker, graph):
    tracker.set_alias("trained-model:v1", "best")
    shown = tracker.lineage("trained-model:v1").to_json()
    nodes = {node["id"]: node for node in shown["nodes"]}
    assert nodes["run:report"] == {
        "id": "run:report",
        "kind": "run",
        "name": "report",
        "job_type": "report",
        "state": "finished",
    }
    assert nodes["artifact:trained-model:v1"] == {
        "id": "artifact:trained-model:v1",
        "kind": "artifact",
        "name": "trained-model",
        "type": "model",
        "version": "v1",
        "aliases": ["best", "latest"],
    }
    place = {node["id"]: number for number, node in enumerate(shown["nodes"])}
    assert place["run:load"] < place["artifact:mnist-raw:v0"] < place["artifact:trained-model:v1"]
    assert place["artifact:trained-model:v1"] < place["run:report"]


def test_two_runs_that_logged_the_same_bytes_are_both_its_producers(tracker, start, draft, request):
    if tracker.backend == "wandb":
        pytest.skip("W&B keeps the first producer alone")
    for run_id in ("one", "two"):
        start(run_id).log_artifact(draft("mnist-raw", {"x": b"same"}))
    assert set(tracker.lineage("mnist-raw").edges) == {
        ("run:one", "artifact:mnist-raw:v0"),
        ("run:two", "artifact:mnist-raw:v0"),
    }
