"""Downloads are atomic, and have the bytes that were logged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysweep.errors import ArtifactCorrupt, ArtifactNotFound, TrackingError
from raysweep.tracking import METADATA_FILE
from raysweep.tracking.blobs import CHUNK_BYTES


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_download_is_what_was_logged(tracker, start, draft, tmp_path):
    # One file longer than a message, so that its order is at stake; one empty.
    files = {"a.pt": os.urandom(CHUNK_BYTES + 12_345), "deep/er/b.pt": b"b", "empty": b""}
    start("load").log_artifact(draft("mnist-raw", files))
    folder = tmp_path / "not" / "there" / "yet"
    version = tracker.download("mnist-raw:latest", folder)
    got = contents(folder)
    assert got.pop(METADATA_FILE) == b"{}\n"
    assert got == files
    assert version.ref == "mnist-raw:v0"


def test_an_empty_folder_will_do_and_no_other(tracker, start, draft, tmp_path):
    start("load").log_artifact(draft("mnist-raw"))
    (tmp_path / "empty").mkdir()
    tracker.download("mnist-raw", tmp_path / "empty")
    before = contents(tmp_path / "empty")
    with pytest.raises(TrackingError, match="not an empty folder"):
        tracker.download("mnist-raw", tmp_path / "empty")
    assert contents(tmp_path / "empty") == before
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="file"):
        tracker.download("mnist-raw", tmp_path / "file")


def test_an_unknown_version_makes_no_folder(tracker, start, draft, tmp_path):
    start("load").log_artifact(draft("mnist-raw"))
    with pytest.raises(ArtifactNotFound):
        tracker.download("mnist-raw:v9", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def blob(tracker, start, draft):
    """The file in which the embedded store has `b.pt` of mnist-raw:v0."""
    if tracker.backend != "trackio":
        pytest.skip("the blobs are on the server")
    version = start("load").log_artifact(draft("mnist-raw", {"a.pt": b"good", "b.pt": b"good too"}))
    digest = next(file.digest for file in version.files if file.path == "b.pt")
    return Path(tracker.store.blob_path(digest))


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_blob_is_named_and_leaves_no_folder(tracker, blob, tmp_path, damage):
    blob.chmod(0o644)
    if damage == "gone":
        blob.unlink()
    else:
        blob.write_bytes(b"evil too" if damage == "changed" else b"good")
    before = set(tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    with pytest.raises(TrackingError) as caught:
        tracker.download("mnist-raw", tmp_path / "out")
    if tracker.store.shares_files or damage != "gone":
        assert isinstance(caught.value, ArtifactCorrupt)
        assert "b.pt" in str(caught.value)
    assert blob.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_on_the_same_node_a_file_is_a_read_only_link(tracker, blob, tmp_path):
    if not tracker.store.shares_files:
        pytest.skip("another node has another file system")
    tracker.download("mnist-raw", tmp_path / "out")
    assert (tmp_path / "out" / "b.pt").samefile(blob)
    assert (tmp_path / "out" / "b.pt").stat().st_mode & 0o777 == 0o444
    assert blob.stat().st_mode & 0o777 == 0o444


def test_where_links_cannot_be_made_a_file_is_a_copy(tracker, blob, tmp_path, monkeypatch):
    if not tracker.store.shares_files:
        pytest.skip("another node has another file system")

    def no_links(*_args: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", no_links)
    tracker.download("mnist-raw", tmp_path / "out")
    assert (tmp_path / "out" / "b.pt").read_bytes() == b"good too"
    assert not (tmp_path / "out" / "b.pt").samefile(blob)
