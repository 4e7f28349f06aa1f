"""What goes over the wire: what changed, and what a command is about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raysweep.storage.bucket.head import HEAD, Head
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import Remote
from raysweep.storage.open_storage import open_storage, read_storage
from raysweep.tracking.store import Row

from bucket_workshop import (
    HURRIED,
    PROJECT,
    Driver,
    lease_of,
    replica_of,
    working_copy,
)
from s3_server import Request, S3Server

SWEEPS = 12
EPOCHS = 20


@pytest.fixture(autouse=True)
def here(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process reaches the bucket, from a machine that knows nothing else."""
    for name, value in {**s3.env, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    yield


@pytest.fixture
def meanwhile(s3: S3Server) -> Callable[[], list[Request]]:
    """What was asked since the last call, but signs of life and how the server is tried out."""
    seen = len(s3.requests()) if (s3.data / "requests").exists() else 0

    def since() -> list[Request]:
        nonlocal seen
        new = s3.requests()[seen:]
        seen += len(new)
        return [each for each in new if ".probe-" not in each.path]

    return since


def test_one_new_row_is_a_few_pages(s3: S3Server, meanwhile: Callable[[], list[Request]]) -> None:
    uri = "s3://bucket/rows"
    copy, storage = working_copy(uri)
    store = ObjectStore.open(uri)
    lease = lease_of(store)
    driver, replica = Driver(storage), replica_of(store, copy, lease)
    for _ in range(EPOCHS):
        driver.step()
    rows = [Row(f"row {n}", n, metrics={"loss": 1 / (n + 1)}) for n in range(5000)]
    driver.store.log_rows(driver.run, rows)
    replica.push()
    replica.push()
    assert replica._remote.known[f"tracker/{PROJECT}.db"].layers.size > 1_000_000
    meanwhile()
    driver.store.log_rows(driver.run, [Row("one more", 5000, metrics={"loss": 0.1})])
    replica.push()
    lease.release()
    copy.unlock()
    sent = [each for each in meanwhile() if each.verb == "PUT" and each.size]
    layers = [each for each in sent if ".db/" in each.path]
    assert len(layers) == 1
    pushed = [each for each in sent if not each.path.endswith("replica.json")]
    assert len(pushed) <= 2, "the pages and the snapshot"
    assert sum(each.size for each in pushed) < 60_000


@pytest.fixture
def many(tmp_path: Path) -> str:
    """A bucket in which many sweeps have ended and one has not, each with models of its own."""
    uri = f"s3://bucket/{tmp_path.name}/many"
    with open_storage(uri, pace=HURRIED) as storage:
        for number in range(SWEEPS):
            driver = Driver(storage, f"old-{number}")
            driver.step()
            driver.end()
        driver = Driver(storage, "mine")
        for _ in range(3):
            driver.step()
    return uri


def test_a_resume_brings_what_it_goes_on_from(
    many: str, tmp_path: Path, meanwhile: Callable[[], list[Request]]
) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path / "another machine")
    meanwhile()
    with open_storage(many, pace=HURRIED) as storage:
        Driver.again(storage)
        asked = [
            each for each in meanwhile() if each.verb == "GET" and "list-type" not in each.path
        ]
        found = {path.relative_to(storage.root).as_posix() for path in storage.root.glob("old-*/*")}
    got = [each.path for each in asked if not each.path.endswith("replica.json")]
    assert not [path for path in got if "/old-" in path]
    assert not [path for path in got if "/blobs/" in path or "/media/" in path]
    layers = [path for path in got if "/.layers/" in path]
    others = [path for path in got if "/.layers/" not in path]
    # Of the sweep: record (from the snapshot), config, checkpoint; an earlier version's lease.
    assert len(others) <= 6, others
    assert len(layers) <= 2 + 2 * 33, layers
    assert found == {f"old-{number}/sweep.json" for number in range(SWEEPS)}


def test_a_list_brings_results_alone(many: str, meanwhile: Callable[[], list[Request]]) -> None:
    meanwhile()
    with read_storage(many, results=True) as storage:
        assert sum(folder.result() is not None for folder in storage.sweeps()) == SWEEPS
    got = [each.path for each in meanwhile() if each.verb == "GET" and "/many/" in each.path]
    assert len([path for path in got if path.endswith("result.json")]) == SWEEPS
    assert len(got) == SWEEPS + 2, "and what was pushed last"


def test_a_storage_of_an_earlier_version_is_read_and_gone_on_with(
    many: str, tmp_path: Path
) -> None:
    """It had each journal and each database as one file, and no snapshot."""
    old = many.replace("/many", "/old")
    store = ObjectStore.open(old)
    remote = Remote(ObjectStore.open(many), tmp_path / "all")
    remote.project(PROJECT)
    for name in remote.sweeps():
        remote.sweep(name)
    for path in remote.root.rglob("*"):
        if path.is_file() and path.suffix not in (".db-wal", ".db-shm"):
            store.put(path.relative_to(remote.root).as_posix(), path)
    store.put_bytes("replica.json", b'{"push": "0123456789abcdef"}')
    with open_storage(old, pace=HURRIED) as storage:
        driver = Driver.again(storage)
        assert driver.epoch == 3
        driver.step()
    again = Remote(ObjectStore.open(old), tmp_path / "again")
    assert len(again.read_changing("mine/journal.jsonl").splitlines()) == 4
    assert len(again.read_changing("old-0/journal.jsonl").splitlines()) == 1
    assert "mine/journal.jsonl" not in again.listing, "nobody takes the older one for it"
    assert "old-0/journal.jsonl" in again.listing


class Between:
    """A file system in which something happens once between opening a file and reading it."""

    def __init__(self, filesystem: Any, act: Callable[[], None]) -> None:
        self._filesystem, self._acts = filesystem, [act]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._filesystem, name)

    def open_input_stream(self, path: str) -> Any:
        stream = self._filesystem.open_input_stream(path)
        while self._acts:
            self._acts.pop()()
        return stream


def test_a_head_that_grows_while_it_is_read_is_not_damaged(s3: S3Server) -> None:
    uri = "s3://bucket/grows"
    store, other = ObjectStore.open(uri), ObjectStore.open(uri)
    store.put_bytes(HEAD, Head(beat=9).to_json())
    grown = Head(beat=10).to_json()
    store._filesystem = Between(store._filesystem, lambda: other.put_bytes(HEAD, grown))
    assert Head.read(store) == Head(beat=10)
