"""Sweeps in a storage as their drivers leave them, made without Ray; and what must hold of the
tracker's store whatever was removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from raysweep.storage.journal import Journal
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Image, Run
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

PROJECT = "kept"


def keep(
    storage: Storage,
    name: str,
    *,
    trials: int = 2,
    data: str = "data",
    promoted: bool = True,
    ended: bool = True,
    project: str = PROJECT,
    created: str | None = None,
    size: int = 2000,
) -> SweepRecord:
    """A sweep: two stages, reused where an earlier sweep had the same `data`, its trials, each with
    a model of `size` bytes, and a report with pictures that tags the last trial's model."""
    record = SweepRecord.new(name, project, None, "trackio")
    if created is not None:
        record = SweepRecord(**{**vars(record), "created": created})
    folder = storage.create(record, {"sweep": {"name": name}})
    (folder.path / "logs").mkdir()
    (folder.path / "logs" / "trial-0000.log").write_text("epoch 1\n" * 100)
    if storage.origin is not None:
        storage.origin.project(project)
    tracker = TrackioTracker(TrackioStore(storage.tracker, project))
    identity = SweepIdentity(name, record.id)
    with closing(Journal(folder.journal)) as journal:
        journal.write("started", config={}, modules=[], warm_start=[])
        raw = stage(tracker, identity, storage, "raw", data, ())
        ready = stage(tracker, identity, storage, "ready", data, (raw,))
        for each, made in (("load", raw), ("preprocess", ready)):
            journal.write("stage", stage=each, ref=made.ref, cached=made.producer is None)
        models = [
            model(tracker, identity, storage, f"trial-{index:04d}", ready, size)
            for index in range(trials)
        ]
    if not ended:
        return record
    report = tracker.start_run(identity.run("report", "report", {}))
    report.use_artifact(ready.ref)
    report.use_artifact(models[-1].ref)
    picture = Image(np.full((8, 8), trials % 256, dtype=np.uint8), name)
    report.log_images("high-loss-examples", [picture], step=0)
    tracker.set_alias(models[-1].ref, f"best-{name}")
    if promoted:
        tracker.set_alias(models[-1].ref, "best")
    report.finish()
    tracker.download(models[-1].ref, folder.best)
    folder.write_result(
        {
            "trials": {"total": trials, "completed": trials, "stopped": 0, "failed": 0},
            "artifacts": {"raw": raw.version, "ready": ready.version},
            "best": {"trial": f"trial-{trials - 1:04d}", "artifact": models[-1].ref},
            "test": {"accuracy": 97.0},
            "promoted": promoted,
            "links": {},
        }
    )
    return record


def stage(
    tracker: TrackioTracker,
    sweep: SweepIdentity,
    storage: Storage,
    name: str,
    data: str,
    used: tuple[ArtifactVersion, ...],
) -> ArtifactVersion:
    """The version that has the fingerprint `data`, made by a run of this sweep if there is none."""
    found = tracker.find_artifact(name, data)
    if found is not None:
        return found
    run = tracker.start_run(sweep.run(name, "stage", {}))
    for each in used:
        run.use_artifact(each.ref)
    made = log(run, storage, name, "dataset", {"fingerprint": data}, f"{name} {data}".encode() * 50)
    run.finish()
    return made


def model(
    tracker: TrackioTracker,
    sweep: SweepIdentity,
    storage: Storage,
    trial: str,
    used: ArtifactVersion,
    size: int,
) -> ArtifactVersion:
    run = tracker.start_run(sweep.run(trial, "train", {"learning_rate": 0.1}))
    run.use_artifact(used.ref)
    run.log({"validation/accuracy": 90.0}, step=1)
    weights = f"{sweep.id} {trial} ".encode().ljust(size, b"w")
    metadata = {"sweep": sweep.name, "trial": trial}
    made = log(run, storage, "trained-model", "model", metadata, weights)
    run.finish()
    return made


def log(
    run: Run, storage: Storage, name: str, kind: str, metadata: Mapping[str, Any], data: bytes
) -> ArtifactVersion:
    path = storage.root / ".bytes"
    path.write_bytes(data)
    try:
        return run.log_artifact(ArtifactDraft(name, kind, "", metadata, {"file": path}))
    finally:
        path.unlink()


def tracker_of(storage: Storage, project: str = PROJECT) -> TrackioTracker:
    return TrackioTracker(TrackioStore(storage.tracker, project))


def models_of(storage: Storage, record: SweepRecord) -> list[str]:
    """The references of the models that its trials logged."""
    runs = tracker_of(storage).runs(record.name)
    return [ref for run in runs for ref in run.logged if ref.startswith("trained-model:")]


def lineage_of(storage: Storage, ref: str) -> dict[str, Any]:
    """The ancestors of a version, without the aliases of others."""
    found = tracker_of(storage).lineage(ref).to_json()
    for node in found["nodes"]:
        node.pop("aliases", None)
    return found


def blobs_on_disk(storage: Storage, project: str = PROJECT) -> set[str]:
    folder = storage.tracker / "artifacts" / project
    return {path.name for path in folder.rglob("*") if path.is_file()}


def assert_whole(storage: Storage, project: str = PROJECT, sweeps: int | None = None) -> None:
    """Nothing dangles: each version's bytes are there, each byte is a version's, each link is of a
    run and a version, each picture is of a run, and nothing is half removed."""
    tracker = tracker_of(storage, project)
    runs = tracker.runs()
    ids, refs = {run.id for run in runs}, {ref for run in runs for ref in (*run.used, *run.logged)}
    needed = set[str]()
    for ref in refs:
        version = tracker.artifact(ref)
        assert version.producer in ids, ref
        needed |= {file.digest for file in version.kept_files}
    assert blobs_on_disk(storage, project) == needed
    media = storage.tracker / "media" / project
    pictured = {path.name for path in media.iterdir()} if media.is_dir() else set()
    assert pictured <= ids
    assert not list(storage.root.glob(".removed-*"))
    assert tracker.store.removing.bury(keep_note=True) == []
    if sweeps is not None:
        assert len(list(storage.root.glob("*/sweep.json"))) == sweeps


def read_result(storage: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((storage / name / "result.json").read_text())
    return found
