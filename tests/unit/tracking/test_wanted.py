"""Blobs that are still at a URI, brought when a process opens one."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raysweep.errors import StoreFailed, UserError
from raysweep.storage.bucket.wanted import BlobServer
from raysweep.storage.open_storage import open_storage
from raysweep.tracking.blobs import Blobs, blobs_folder
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.wanted import bring, wanted_folder

from bucket_workshop import HURRIED, PROJECT, Driver

DIGEST = "a" * 64


class Origin:
    """Has one blob, and cannot be reached for any other."""

    def __init__(self, root: Path) -> None:
        self._folder = blobs_folder(root, "my.project")
        self.asked: list[str] = []

    def blobs(self, project: str, digests: list[str]) -> None:
        self.asked += [f"{project} {digest}" for digest in digests]
        if digests != [DIGEST]:
            raise UserError("--storage s3://b: cannot be reached")
        path = self._folder / DIGEST[:2] / DIGEST
        path.parent.mkdir(parents=True)
        path.write_text("bytes")


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    found = Origin(tmp_path)
    server = BlobServer(tmp_path, found)
    server.start()
    yield found
    server.stop()
    assert not wanted_folder(tmp_path).exists()


def test_it_is_brought_once_when_it_is_read(origin: Origin, tmp_path: Path) -> None:
    blobs = Blobs(blobs_folder(tmp_path, "my.project"))
    for _ in range(2):
        assert blobs.read(DIGEST, 0, 100) == b"bytes"
    assert origin.asked == [f"my.project {DIGEST}"]


def test_why_it_cannot_be_had_reaches_who_asked(origin: Origin, tmp_path: Path) -> None:
    blobs = Blobs(blobs_folder(tmp_path, "my.project"))
    with pytest.raises(StoreFailed, match="s3://b: cannot be reached"):
        blobs.read("b" * 64, 0, 100)


def test_what_a_killed_driver_left_is_not_waited_for(tmp_path: Path) -> None:
    """It answered requests, and answers none any more."""
    pid = os.fork()
    if pid == 0:
        BlobServer(tmp_path, Origin(tmp_path)).start()
        os._exit(0)
    os.waitpid(pid, 0)
    assert wanted_folder(tmp_path).exists()
    started = time.monotonic()
    bring(blobs_folder(tmp_path, "project") / DIGEST[:2] / DIGEST)
    assert time.monotonic() - started < 5


def test_another_process_reads_what_is_at_the_uri(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_storage(uri, pace=HURRIED) as storage:
        Driver(storage).step()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    with open_storage(uri, pace=HURRIED) as storage:
        assert storage.origin is not None
        storage.origin.project(PROJECT)
        spawn = multiprocessing.get_context("spawn")
        with spawn.Pool(1) as pool:
            assert pool.apply(_model_of, [storage.tracker]) == b"mine-train 1"


def _model_of(root: Path) -> bytes:
    store = TrackioStore(root, PROJECT)
    files = store.artifact("trained-model:latest").files
    digest = next(file.digest for file in files if file.path == "model")
    return store.read_blob(digest, 0, 100)
