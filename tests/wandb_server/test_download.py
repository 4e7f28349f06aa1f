"""The W&B adapter's downloads: the bytes that were logged, or an error that names the file."""

from __future__ import annotations

import json

import pytest

from raysweep.errors import TrackingError, UnsafeName
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.wandb.tracker import WandbTracker


@pytest.fixture
def tracker(server, project, tmp_path, monkeypatch):
    """A project with one version, of which the client's cache holds nothing any more."""
    (tmp_path / "good").write_bytes(b"good too")
    tracker = WandbTracker(project)
    run = tracker.start_run(RunSpec("load", "load", "load-data", "sweep"))
    files = {"a.pt": tmp_path / "good", "b.pt": tmp_path / "good"}
    run.log_artifact(ArtifactDraft("mnist-raw", "dataset", "", {}, files))
    run.finish()
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "another cache"))
    return tracker


@pytest.fixture
def blob(server, project, tracker):
    """Where the server keeps both files' bytes."""
    files = server.state.projects[project].artifact("mnist-raw:v0").files
    return next(file.blob.path for file in files if file.name == "b.pt")


def test_the_bytes_come_from_the_server(tracker, server, tmp_path):
    server.requests.clear()
    tracker.download("mnist-raw", tmp_path / "out")
    assert (tmp_path / "out" / "b.pt").read_bytes() == b"good too"
    assert "download" in server.operations()


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_blob_leaves_no_folder(tracker, blob, tmp_path, damage):
    if damage == "gone":
        blob.unlink()
    else:
        blob.write_bytes(b"evil too" if damage == "changed" else b"good")
    before = set(tmp_path.iterdir())
    with pytest.raises(TrackingError) as caught:
        tracker.download("mnist-raw", tmp_path / "out")
    assert ".pt" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "another cache"}


@pytest.mark.parametrize("name", ["../../PWNED", "/srv/PWNED", "a/../../PWNED"])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(
    tracker, server, project, tmp_path, name
):
    """Whoever may write to the project, or to the server's bucket, chooses those names."""
    manifest = server.state.projects[project].artifact("mnist-raw:v0").current_manifest
    path = manifest.blob.path
    path.write_text(path.read_text().replace('"b.pt"', json.dumps(name)))
    deep = tmp_path / "deep" / "er"
    with pytest.raises(UnsafeName, match="holds the name '"):
        tracker.download("mnist-raw", deep / "out")
    assert not list(deep.iterdir())
    assert not [path for path in tmp_path.rglob("*") if "PWNED" in path.name]
