"""`sync` of a sweep at a URI: what it sent is noted there, for the next machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import wandb
from kept_sweep import NAME, whole_sweep

from raysweep.storage.open_storage import open_storage, read_storage
from raysweep.storage.reading import StoredSweep

from commands import raysweep
from wandb_server import WandbServer


def test_a_second_machine_sends_nothing_again(
    server: WandbServer, api: wandb.Api, tmp_path: Path
) -> None:
    kept = whole_sweep(tmp_path, "sync-at-uri")
    uri = (tmp_path / "bucket").as_uri()
    with open_storage(uri) as storage:
        shutil.copytree(kept.storage, storage.root, dirs_exist_ok=True)
    at = ("sync", NAME, "--storage", uri, "--json")
    first = raysweep(*at, XDG_CACHE_HOME=str(tmp_path / "one"))
    assert len(first["runs"]["sent"]) == len(kept.tracker.runs())
    assert len(list(api.artifacts("dataset", "tester/sync-at-uri/digits-raw"))) == 1
    with read_storage(uri) as storage:
        sweep = StoredSweep.find(storage, NAME)
        tracker = sweep.tracker()
        assert all(run.url for run in tracker.runs(NAME))
        tracker.close()
    second = raysweep(*at, XDG_CACHE_HOME=str(tmp_path / "two"))
    assert second["runs"]["sent"] == []
    for machine in ("one", "two"):
        assert [p for p in (tmp_path / machine).rglob("*") if p.is_file()] == []
