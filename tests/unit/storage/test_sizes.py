"""`list --sizes` says what `remove` would free, of each sweep."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from raysweep.storage.removal import carry_out, plan_removal
from raysweep.storage.sizes import sizes
from raysweep.storage.storage import Storage
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.port import ArtifactFile
from raysweep.tracking.trackio.tracker import TrackioTracker

from kept_sweeps import keep, log, models_of, tracker_of


def test_alone_is_what_remove_frees(tmp_path: Path) -> None:
    storage, lots = Storage(tmp_path / "runs"), random.Random(1)
    records = [
        keep(
            storage,
            f"s{i}",
            trials=lots.randint(0, 2) if i else 1,
            data=lots.choice("ab"),
            ended=False,
        )
        for i in range(4)
    ]
    tracker = tracker_of(storage)
    for record in records:  # sweeps that use each other's models, in circles, too
        identity = SweepIdentity(record.name, record.id)
        run = tracker.start_run(identity.run("extra", "train", {}))
        other = lots.choice(models_of(storage, records[0]) or ["raw:v0"])
        run.use_artifact(other)
        log(
            run,
            storage,
            "extra",
            "model",
            {"of": record.name},
            b"shared bytes" * lots.randint(1, 2),
        )
        save(tracker, run.id, tmp_path / "of all", b"the same bytes of all")
        save(tracker, run.id, tmp_path / "own", record.name.encode())
        run.finish()
    foreign = tracker.start_run(SweepIdentity("gone", "00000000").run("trial-0000", "train", {}))
    foreign.use_artifact("raw:v0")
    agree(storage)
    carry_out(plan_removal(storage, ["s0"]))
    agree(storage)


def save(tracker: TrackioTracker, run_id: str, path: Path, data: bytes) -> None:
    """Save a file of the run, as a program does by `wandb.save`."""
    path.write_bytes(data)
    tracker.store.stage_file(str(path))
    file = ArtifactFile(path.name, hashlib.sha256(data).hexdigest(), len(data))
    tracker.store.add_files(run_id, [file])


def agree(storage: Storage) -> None:
    found = sizes(storage)
    assert len(found) >= 3
    for name, each in found.items():
        assert each.alone == plan_removal(storage, [name]).bytes, name


def test_what_two_share_is_counted_as_shared(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "runs")
    keep(storage, "first")
    assert sizes(storage)["first"].shared == 0
    keep(storage, "other")
    tracker = tracker_of(storage)
    files = [f for ref in ("raw:v0", "ready:v0") for f in tracker.artifact(ref).files]
    shared = sum({f.digest: f.size_bytes for f in files}.values())
    assert {name: each.shared for name, each in sizes(storage).items()} == {
        "first": shared,
        "other": shared,
    }
    assert sizes(storage)["other"].alone == plan_removal(storage, ["other"]).bytes
