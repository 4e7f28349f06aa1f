"""Trackio's dashboard over the store: its content, and that it is read-only."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest

from raysweep.errors import ArtifactNotFound, TrackingError
from raysweep.tracking import ArtifactDraft, Image, RunSpec
from raysweep.tracking.dashboard import Served, serve
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

PROJECT = "artifacts-example"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A store with two runs of one name: one that failed, and one with all kinds of content."""
    root = tmp_path_factory.mktemp("it's a store")
    (root / "m").write_bytes(b"model")
    tracker = TrackioTracker(TrackioStore(root, PROJECT))
    tracker.start_run(RunSpec("t0", "train", "train", "sweep")).finish("failed", "out of memory")
    run = tracker.start_run(
        RunSpec("t1", "train", "train", "sweep", {"train": {"learning_rate": 0.1}}, ("nightly",))
    )
    run.log({"validation/loss": 0.5}, step=128)
    run.log_images("high-loss-examples", [Image(np.zeros((28, 28), np.uint8), "7,1")], step=128)
    run.log_artifact(ArtifactDraft("trained-model", "model", "", {}, {"m": root / "m"}))
    run.finish()
    return root


@pytest.fixture(scope="module")
def served(root):
    served = serve(root, PROJECT, "trained-model:latest")
    yield served
    served.stop()


def ask(served: Served, name: str, /, **arguments: object) -> object:
    base = "http://" + urlsplit(served.url).netloc
    body = json.dumps(arguments).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/api/{name}", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["data"]


def test_the_url_opens_on_the_lineage_and_answers(served):
    url = urlsplit(served.url)
    assert (url.scheme, url.hostname, url.path) == ("http", "127.0.0.1", "/artifacts")
    assert parse_qs(url.query) == {
        "project": [PROJECT],
        "selected_artifact": ["trained-model"],
        "selected_version": ["v0"],
        "detail_tab": ["lineage"],
    }
    with urllib.request.urlopen(served.url, timeout=20) as page:
        assert b"<html" in page.read()


def test_every_run_is_listed_with_its_config(served):
    runs = ask(served, "get_project_summary", project=PROJECT)["runs"]
    assert [run["id"] for run in runs] == ["t0", "t1"]
    failed = ask(served, "get_run_summary", project=PROJECT, run_id="t0")["config"]
    assert (failed["state"], failed["error"]) == ("failed", "out of memory")
    config = ask(served, "get_run_summary", project=PROJECT, run_id="t1")["config"]
    shown = {"job_type": "train", "state": "finished", "group": "sweep", "tags": "nightly"}
    assert config.items() >= shown.items()
    assert config["train.learning_rate"] == 0.1
    assert config["_Group"] == "sweep"  # by which the page groups


def test_metrics_and_pictures_are_shown(served, root):
    logs = ask(served, "get_logs", project=PROJECT, run_id="t1")
    assert [row["step"] for row in logs if row.get("validation/loss") == 0.5] == [128]
    (table,) = [row["high-loss-examples"] for row in logs if "high-loss-examples" in row]
    cell = table["_value"][0]["image"]
    assert (table["_type"], cell["_type"], cell["caption"]) == (
        "trackio.table",
        "trackio.image",
        "7,1",
    )
    base = "http://" + urlsplit(served.url).netloc
    query = urlencode({"path": root / "media" / cell["file_path"]})
    with urllib.request.urlopen(f"{base}/file?{query}", timeout=20) as picture:
        assert picture.read().startswith(b"\x89PNG")


def test_the_graph_is_shown_with_its_files(served):
    (artifact,) = ask(served, "list_artifacts", project=PROJECT)
    version_id = artifact["versions"][0]["version_id"]
    graph = ask(served, "get_artifact_lineage", project=PROJECT, version_id=version_id)
    edges = [(edge["source"], edge["target"]) for edge in graph["edges"]]
    assert edges == [("run:t1", f"art:{version_id}")]
    manifest = ask(
        served, "get_artifact_manifest", project=PROJECT, name="trained-model", spec="v0"
    )
    digest = next(f["digest"] for f in manifest["manifest"] if f["path"] == "m")
    base = "http://" + urlsplit(served.url).netloc
    url = f"{base}/artifact_blob/{PROJECT}/{digest}"
    with urllib.request.urlopen(url, timeout=20) as blob:
        assert blob.read() == b"model"


def test_the_dashboard_is_read_only(served, root):
    with pytest.raises(urllib.error.HTTPError):
        ask(served, "delete_run", project=PROJECT, run="train", run_id="t1")
    with pytest.raises(urllib.error.HTTPError):
        ask(served, "rename_run", project=PROJECT, old_name="train", new_name="mine", run_id="t1")
    assert [record.id for record in TrackioStore(root, PROJECT).runs()] == ["t0", "t1"]


def test_an_unknown_artifact_starts_no_server(root, monkeypatch):
    def start(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("started a server")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(ArtifactNotFound, match="no-such-model"):
        serve(root, PROJECT, "no-such-model")


def test_the_server_prints_nothing_and_ends_when_stopped_or_orphaned(root, capfd):
    served = serve(root, PROJECT)
    assert urlsplit(served.url).path == "/"
    served.stop()
    served.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(served.url, timeout=5)
    left = serve(root, PROJECT)
    left._process.stdin.close()  # as the kernel does when we are killed
    assert left._process.wait(10) is not None
    left.stop()
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_one_line(root, served):
    with pytest.raises(TrackingError, match="in use") as caught:
        serve(root, PROJECT, port=urlsplit(served.url).port)
    assert "\n" not in str(caught.value)
