"""`remove` at `s3://…`: on another machine, and killed on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.storage.open_storage import open_storage, read_storage

from commands import call, raysweep, start
from kept_sweeps import keep, models_of, tracker_of
from s3_server import S3Server

OPTIONS = ("--yes", "--json")


@pytest.fixture
def uri(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a prefix with the sweeps `mine` and `other`, which uses the data of `mine`."""
    for name, value in {**s3.env, "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://bucket/{tmp_path.name}"
    with open_storage(uri) as storage:
        keep(storage, "mine", created="2026-01-01T00:00:00+00:00")
        keep(storage, "other", created="2026-01-02T00:00:00+00:00")
    return uri


def test_another_machine_removes_it(
    uri: str, s3: S3Server, machine: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    before = objects(s3, tmp_path)
    env = machine("other")
    planned = raysweep("remove", "mine", "--dry-run", "--json", "--storage", uri, **env)
    assert objects(s3, tmp_path).keys() == before.keys()
    removed = raysweep("remove", "mine", *OPTIONS, "--storage", uri, **env)
    assert removed == {**planned, "removed": True}
    after = objects(s3, tmp_path)
    freed = {path: size for path, size in before.items() if path not in after and path[0] != "."}
    assert sum(freed.values()) == removed["bytes"]
    assert_other_is_whole(uri, s3, tmp_path)
    refused = call("remove", "mine", *OPTIONS, "--storage", uri, **env)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "no sweep named mine" in refused.stderr


def test_killed_and_called_again(
    uri: str, s3: S3Server, machine: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    env = machine("one")
    for after_s in (1.2, 1.8, 2.4, 3.0):
        with start("remove", "mine", *OPTIONS, "--storage", uri, **env) as process:
            time.sleep(after_s)  # whenever that is: it must not matter
            process.kill()
    done = call("remove", "mine", *OPTIONS, "--storage", uri, **env)
    assert done.returncode == 0 or "no sweep named mine" in done.stderr
    assert_other_is_whole(uri, s3, tmp_path)


def objects(s3: S3Server, tmp_path: Path) -> dict[str, int]:
    """Path below the prefix → size in bytes."""
    root = s3.data / "bucket" / tmp_path.name
    return {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in root.rglob("*")
        if path.is_file() and path.name != "replica.json"
    }


def assert_other_is_whole(uri: str, s3: S3Server, tmp_path: Path) -> None:
    there = objects(s3, tmp_path)
    assert not [path for path in there if path.startswith("mine/")]
    with read_storage(uri, results=True) as storage:
        other = storage.find("other")
        assert [folder.path.name for folder in storage.sweeps()] == ["other"]
        storage.origin.project("kept")  # type: ignore[union-attr]
        tracker = tracker_of(storage)
        refs = {ref for run in tracker.runs() for ref in (*run.used, *run.logged)}
        needed = {file.digest for ref in refs for file in tracker.artifact(ref).files}
        assert {*models_of(storage, other.record())} == {"trained-model:v2", "trained-model:v3"}
        assert {run.job_type for run in tracker.runs("mine")} == {"stage"}
    assert {path.rpartition("/")[2] for path in there if "/blobs/" in path} == needed
