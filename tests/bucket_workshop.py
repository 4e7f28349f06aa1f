"""A driver without Ray: what it leaves in its folder, epoch by epoch, and what must hold of it."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from raysweep.storage.bucket.conditional import Tag
from raysweep.storage.bucket.head import HEAD, Holder
from raysweep.storage.bucket.lease import Lease, LeasePace
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import Remote
from raysweep.storage.bucket.pushing import PushPace
from raysweep.storage.bucket.replica import Replica
from raysweep.storage.bucket.working_copy import WorkingCopy
from raysweep.storage.open_storage import Pace
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.tracking import ArtifactFile, RunSpec
from raysweep.tracking.trackio.store import TrackioStore

PROJECT = "replicas"
HURRIED = Pace(
    LeasePace(beat_s=0.05, stale_s=0.4, settle_s=0.02),
    PushPace(turn_s=0.05, stalled_s=2, interrupted_s=0.4, attempts=2, again_s=0.01),
)
"""The paces of tests."""


class Driver:
    """Writes as a sweep does: an epoch is a blob, a version, a checkpoint, then a journal line; the
    checkpoint before it goes last."""

    def __init__(self, storage: Storage, name: str = "mine") -> None:
        record = SweepRecord.new(name, PROJECT, None, "trackio")
        self.folder = storage.create(record, {"sweep": name})
        if storage.origin is not None:
            storage.origin.project(PROJECT)
        self.store = TrackioStore(storage.tracker, PROJECT)
        self.run = f"{name}-train"
        self.store.start_run(RunSpec(id=self.run, name="train", job_type="train", group=name))
        self.checkpoints = self.folder.path / "checkpoints"
        self.checkpoints.mkdir()
        self.epoch = 0

    @classmethod
    def again(cls, storage: Storage, name: str = "mine") -> Driver:
        """One that goes on with the sweep."""
        self = cls.__new__(cls)
        self.folder = storage.find(name)
        assert storage.origin is not None
        storage.origin.project(PROJECT)
        self.store = TrackioStore(storage.tracker, PROJECT)
        self.run = f"{name}-train"
        self.checkpoints = self.folder.path / "checkpoints"
        self.epoch = len(self.folder.journal.read_text().splitlines())
        assert (self.checkpoints / self._checkpoint()).exists()
        return self

    def _checkpoint(self) -> str:
        return f"trial-0000-e{self.epoch:04d}-abc.pt"

    def step(self) -> None:
        self.epoch += 1
        model = self.folder.path / ".model"
        model.write_text(f"{self.run} {self.epoch}")
        files = [ArtifactFile("model", *self.store.stage_file(str(model)))]
        version = self.store.commit_artifact(self.run, "trained-model", "model", "", {}, files)
        checkpoint = self.checkpoints / self._checkpoint()
        partial = checkpoint.with_name(f".{checkpoint.name}")
        partial.write_text(str(self.epoch))
        partial.replace(checkpoint)
        line = json.dumps({"checkpoint": checkpoint.name, "artifact": version.ref})
        with (self.folder.path / "journal.jsonl").open("a") as journal:
            journal.write(line + "\n")
        for old in self.checkpoints.glob("trial*"):
            if old != checkpoint:
                old.unlink()

    def end(self) -> None:
        self.folder.best.mkdir()
        (self.folder.best / "trained_model.pth").write_text("weights")
        self.folder.write_result({"best": {"artifact": f"trained-model:v{self.epoch - 1}"}})


def assert_resumable(uri: str) -> int:
    """Pull everything to look at it; how many epochs the journal there tells of."""
    store = ObjectStore.open(uri)
    with tempfile.TemporaryDirectory() as folder:
        remote = Remote(store, Path(folder) / "root")
        if "mine" not in remote.sweeps():
            return 0
        text = remote.read_changing("mine/journal.jsonl")
        if not text:  # its database may be in the making
            return 0
        remote.project(PROJECT)
        there = store.list()  # now, if somebody pushes meanwhile: what is named, or newer
        refs = _versions_with_blobs(remote.root / "tracker" / f"{PROJECT}.db", there)
    lines = [json.loads(line) for line in text.splitlines()]
    checkpoints = [path.rpartition("/")[2] for path in there if "/checkpoints/" in path]
    assert max(checkpoints, default="") >= lines[-1]["checkpoint"], "behind the journal"
    assert {line["artifact"] for line in lines} <= refs
    return len(lines)


def _versions_with_blobs(path: Path, there: dict[str, int]) -> set[str]:
    """The versions of the database there; each one's blobs must be there, too."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = db.execute(
            "SELECT a.name || ':v' || v.version, v.manifest FROM artifact_versions v "
            "JOIN artifacts a ON a.id = v.artifact_id"
        ).fetchall()
    blobs = {path.rpartition("/")[2] for path in there if "/blobs/" in path}
    for _, manifest in rows:
        assert {file["digest"] for file in json.loads(manifest)} <= blobs
    return {ref for ref, _ in rows}


class CutShort(ObjectStore):
    """The network is gone at the n-th upload or deletion, and stays so until `mend`."""

    left = 10**9

    @staticmethod
    def at(uri: str, uploads: int) -> CutShort:
        store = ObjectStore.open(uri)
        store.__class__ = CutShort
        assert isinstance(store, CutShort)
        store.left = uploads
        return store

    def mend(self) -> None:
        self.left = 10**9

    def _write(self, path: str, read: Callable[[int], bytes]) -> None:
        self._count(path)
        super()._write(path, read)

    def delete(self, path: str) -> None:
        self._count(path)
        super().delete(path)

    def cut(self, lease: Lease) -> None:
        """Conditional writes count, too; signs of life do not."""
        commit, put = lease.commit, lease.writes.put

        def counted_commit(push: str, snapshot: str) -> None:
            self._count(HEAD)
            commit(push, snapshot)

        def counted_put(path: str, data: bytes, tag: Tag | None) -> Tag:
            if path != HEAD:
                self._count(path)
            return put(path, data, tag)

        lease.commit = counted_commit  # type: ignore[method-assign]
        lease.writes.put = counted_put  # type: ignore[method-assign]

    def _count(self, path: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(f"{path}: no route to host")


def lease_of(store: ObjectStore, copy: str = "a copy") -> Lease:
    """The lease of a driver whose working copy is so marked, taken."""
    lease = Lease(store, Holder.me("sweep mine", copy), HURRIED.lease)
    lease.take()
    return lease


def replica_of(store: ObjectStore, copy: WorkingCopy, lease: Lease | None = None) -> Replica:
    """What pushes the working copy, as a driver that has just begun."""
    lease = lease or lease_of(store)
    return Replica(store, copy, lease, Remote(store, copy.root, lease.head))


def working_copy(uri: str) -> tuple[WorkingCopy, Storage]:
    """The URI's, empty and locked."""
    copy = WorkingCopy(uri)
    copy.root.mkdir(exist_ok=True)
    return copy, Storage(copy.root, shown=uri)


def same_folder(driver: Driver) -> WorkingCopy:
    """The driver's folder once more, for pushes to other places."""
    copy = WorkingCopy("file:///another")
    copy.unlock()
    copy.root = driver.folder.path.parent
    return copy
