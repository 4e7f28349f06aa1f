"""Storages that somebody else has written: what they name stays in its folder, and links in them
lead nowhere else."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from raysweep.errors import RaysweepError, UnsafeName, UserError
from raysweep.storage.bucket.layers import Layers
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import Remote
from raysweep.storage.bucket.snapshot import Snapshot
from raysweep.storage.bucket.working_copy import WorkingCopy
from raysweep.storage.open_storage import open_storage, read_storage
from raysweep.storage.storage import Storage
from raysweep.tracking import Image, RunSpec
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

from bucket_workshop import HURRIED, PROJECT, Driver
from hostile_bucket import serving

RECORD = {
    "name": "mine",
    "id": "5ca1ab1e",
    "project": PROJECT,
    "entity": None,
    "tracker": "trackio",
    "created": "2026-11-23T09:15:00+00:00",
}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """With a sweep of one epoch, whose run logged a picture."""
    storage = Storage(tmp_path / "runs")
    driver = Driver(storage)
    driver.step()
    return storage


@pytest.mark.parametrize(
    "key",
    [
        "../PWNED.json",
        "tracker/media/../../../PWNED",
        "tracker/media//srv/PWNED",
        "mine/checkpoints/..",
        "tracker/media/a\\..\\..\\..\\..\\PWNED",
    ],
)
def test_a_buckets_keys_stay_in_the_folder_that_is_pulled_into(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    objects = {"p/mine/sweep.json": json.dumps(RECORD).encode(), f"p/{key}": b"owned"}
    with serving(objects) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server)
        store = ObjectStore.open("s3://bucket/p")
        with pytest.raises(UnsafeName, match=r"^s3://bucket/p: holds the name '"):
            Remote(store, tmp_path / "home" / "copy")
        with (
            pytest.raises(UnsafeName, match=r"^s3://bucket/p: holds the name '"),
            read_storage("s3://bucket/p", media=True),
        ):
            raise AssertionError("opened")
    assert not [path for path in tmp_path.rglob("*") if "PWNED" in path.name]


def test_a_folder_at_a_uri_is_not_written_behind_its_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shared, home = tmp_path / "shared", tmp_path / "home"
    shared.mkdir()
    home.mkdir()
    (shared / "mine").symlink_to(home)
    with suppress(RaysweepError), open_storage(shared.as_uri(), "mine", print, HURRIED) as storage:
        Driver(storage).step()
    assert list(home.iterdir()) == []
    victim = home / "victim"
    victim.write_text("precious")
    (shared / "mine").unlink()
    (shared / ".partial.replica.json").symlink_to(victim)
    with suppress(RaysweepError), open_storage(shared.as_uri(), "mine", print, HURRIED) as storage:
        Driver(storage).step()
    assert victim.read_text() == "precious"


def test_an_artifacts_manifest_cannot_name_a_file_elsewhere(
    storage: Storage, tmp_path: Path
) -> None:
    _change_manifests(storage, "../../PWNED")
    store = TrackioStore(storage.tracker, PROJECT)
    with pytest.raises(UnsafeName, match=r"trained-model:v0: holds the name '\.\./\.\./PWNED'"):
        TrackioTracker(store).download("trained-model:v0", tmp_path / "deep" / "er" / "model")
    assert not list(tmp_path.rglob("*PWNED*"))
    assert not list((tmp_path / "deep" / "er").iterdir())


def test_a_picture_cannot_be_read_from_elsewhere(storage: Storage, tmp_path: Path) -> None:
    store = TrackioStore(storage.tracker, PROJECT)
    run = TrackioTracker(store).start_run(_spec())
    run.log_images("worst", [Image(np.zeros((2, 2), np.uint8), "1,7")], 1)
    (media,) = storage.tracker.glob("media/**/*.png")
    secret = tmp_path / "secret.png"
    media.rename(secret)
    media.symlink_to(secret)
    with pytest.raises(UnsafeName, match="by a link"):
        TrackioTracker(store).images("look", "worst")
    with closing(sqlite3.connect(storage.tracker / f"{PROJECT}.db")) as db:
        name = media.relative_to(storage.tracker / "media").as_posix()
        change = "UPDATE metrics SET metrics = replace(metrics, ?, ?)"
        db.execute(change, (name, "../../../secret.png"))
        db.commit()
    with pytest.raises(UnsafeName, match=r"holds the name '\.\./\.\./\.\./secret\.png'"):
        TrackioTracker(store).images("look", "worst")


@pytest.mark.parametrize("field", ["name", "id"])
@pytest.mark.parametrize("value", ["../../home", "..", "/", "a/b", "", "a\0", "a\n", "tracker/"])
def test_a_sweeps_name_and_id_become_paths_and_are_checked(
    storage: Storage, field: str, value: str
) -> None:
    (storage.root / "mine" / "sweep.json").write_text(json.dumps({**RECORD, field: value}))
    with pytest.raises(UserError, match="not a record of a sweep"):
        storage.find("mine")


@pytest.mark.parametrize(
    "name", ["journal.jsonl", "config.yaml", "result.json", "checkpoints", "best", "inputs", "tune"]
)
def test_what_is_a_sweeps_is_not_behind_a_link(storage: Storage, tmp_path: Path, name: str) -> None:
    folder, outside = storage.find("mine"), tmp_path / "home"
    outside.mkdir()
    place = folder.path / name
    if place.exists():
        place.rename(outside / name)
    place.symlink_to(outside / name)
    attribute = {"journal.jsonl": "journal", "config.yaml": "config"}.get(name, name)
    with pytest.raises(UnsafeName, match="by a link"):
        found = getattr(folder, "result" if name == "result.json" else attribute)
        if callable(found):
            found()


@pytest.mark.parametrize("name", ["tracker", "mine"])
def test_a_folder_of_the_storage_that_is_a_link_elsewhere_is_named(
    storage: Storage, tmp_path: Path, name: str
) -> None:
    (storage.root / name).rename(tmp_path / "elsewhere")
    (storage.root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeName, match=f"^{storage.root}: '{name}' leads out of it by a link"):
        storage.find("mine")
        storage.tracker  # noqa: B018


@pytest.mark.parametrize("file", [f"{PROJECT}.db", f"{PROJECT}.db-wal", f"{PROJECT}.lock", "media"])
def test_the_stores_own_files_are_not_behind_links(tmp_path: Path, file: str) -> None:
    """Trackio empties its lock file when it opens it."""
    root, victim = tmp_path / "tracker", tmp_path / "victim"
    root.mkdir()
    victim.write_text("precious")
    (root / file).symlink_to(victim)
    with pytest.raises(UnsafeName, match="by a link"):
        TrackioStore(root, PROJECT)
    assert victim.read_text() == "precious"


def test_blobs_are_not_written_behind_links(storage: Storage, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    store = TrackioStore(storage.tracker, PROJECT)
    data = b"a model"
    digest = hashlib.sha256(data).hexdigest()
    folder = storage.tracker / "artifacts" / PROJECT / "blobs" / "sha256"
    (folder / digest[:2]).symlink_to(home)
    upload = "5ca1ab1e"
    store.stage_chunk(upload, 0, data)
    with pytest.raises(UnsafeName):
        store.stage_commit(upload, digest)
    store.stage_drop(upload)
    (folder / digest[:2]).unlink()
    victim = home / "victim"
    victim.write_text("precious")
    (folder / f".partial.{upload}").symlink_to(victim)
    with pytest.raises(RaysweepError):
        store.stage_chunk(upload, 0, data)
    assert victim.read_text() == "precious"


def test_the_storage_itself_may_be_a_link(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(storage.root)
    linked = Storage(tmp_path / "link")
    assert linked.find("mine").record().name == "mine"
    Driver(linked, "another").step()
    assert {folder.path.name for folder in storage.sweeps()} == {"mine", "another"}


@pytest.mark.parametrize("project", ["another", "../another"])
def test_another_projects_damaged_database_keeps_nobody_from_a_uri(
    project: str, uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "it's there, 100%"
    (there / "odd").mkdir(parents=True)
    record = {**RECORD, "name": "odd", "project": project}
    (there / "odd" / "sweep.json").write_text(json.dumps(record))
    (there / "tracker").mkdir()
    (there / "tracker" / "another.db").write_bytes(b"no database at all" * 100)
    with open_storage(uri, "mine", print, HURRIED) as storage:
        Driver(storage).step()
    assert capsys.readouterr().err == "", "it is not asked for"
    assert (there / "tracker" / "another.db").read_bytes().startswith(b"no database at all")
    assert list(there.glob(".layers/mine/journal.jsonl/*"))


def test_a_working_copy_is_in_no_folder_that_another_user_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a link of another user's")
    mine, cache = tmp_path / "mine", tmp_path / "cache"
    for folder in (mine, cache, tmp_path / "tmp"):
        folder.mkdir()
    (cache / "raysweep").symlink_to(mine)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    copy = WorkingCopy("s3://bucket/p")
    copy.unlock()
    assert copy.root.parent == mine
    os.chown(cache / "raysweep", 1, 1, follow_symlinks=False)
    copy = WorkingCopy("s3://bucket/p")
    copy.unlock()
    assert copy.root.parent == tmp_path / "tmp" / "raysweep-0"


def _change_manifests(storage: Storage, path: str) -> None:
    with closing(sqlite3.connect(storage.tracker / f"{PROJECT}.db")) as db:
        for number, text in db.execute("SELECT id, manifest FROM artifact_versions").fetchall():
            files = json.loads(text)
            files[0]["path"] = path
            change = "UPDATE artifact_versions SET manifest = ? WHERE id = ?"
            db.execute(change, (json.dumps(files), number))
        db.commit()


def _spec() -> RunSpec:
    return RunSpec(id="look", name="look", job_type="report", group="mine")


@pytest.mark.parametrize("where", ["files", "sweeps"])
def test_a_buckets_snapshot_cannot_name_a_file_elsewhere(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = ObjectStore.open((tmp_path / "shared").as_uri())
    store.put_bytes("secret", b"owned")
    store.put_bytes("mine/sweep.json", b"{}")
    files = {"tracker/../../PWNED.db": Layers(5, ("secret",))} if where == "files" else {}
    sweeps = {"mine": "{}"} if where == "files" else {"../PWNED": json.dumps(RECORD)}
    key = Snapshot(files, sweeps).write(store)
    store.put_bytes("replica.json", json.dumps({"push": "1", "snapshot": key}).encode())
    with suppress(UnsafeName), read_storage(store.uri, media=True):
        pass
    assert not [path for path in tmp_path.rglob("*") if "PWNED" in path.name]
