"""What `resume` says about trials whose latest checkpoint cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.storage.past import Past
from raysweep.storage.reading import StoredSweep
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.sweep.recovery import lost_epochs
from raysweep.tracking.identity import SweepIdentity

from workshop import PROJECT, open_store


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[[int], StoredSweep]:
    """A sweep whose trial has a checkpoint after its third epoch, and so many rows."""

    def make(rows: int) -> StoredSweep:
        storage = Storage(tmp_path)
        record = SweepRecord.new("mine", PROJECT, None, "trackio")
        folder = storage.create(record, {})
        checkpoints = CheckpointFolder(folder.checkpoints)
        checkpoints.keep("trial-0000", 3, b"state")
        if rows:
            tracker = open_store(storage.tracker)
            run = tracker.start_run(SweepIdentity("mine", record.id).run("trial-0000", "train", {}))
            for epoch in range(1, rows + 1):
                run.log({"reward": 1.0}, step=epoch * 100)
            run.flush()
            tracker.close()
        return StoredSweep.find(storage, "mine")

    return make


def past(epochs: int) -> Past:
    told = [{"event": "epoch", "index": 0, "epochs": e, "examples": e * 100} for e in range(1, 9)]
    return Past([{"event": "trial", "index": 0}, *told[:epochs]])


def test_a_whole_checkpoint_with_its_rows_is_nothing_to_say(
    sweep: Callable[..., StoredSweep],
) -> None:
    assert lost_epochs(sweep(3), past(3), 1) == []


@pytest.mark.parametrize("rows", [0, 2])
def test_rows_that_are_lost_are_said_though_the_checkpoint_is_whole(
    sweep: Callable[..., StoredSweep], rows: int
) -> None:
    assert lost_epochs(sweep(rows), past(3), 1) == [
        "trial-0000: rows that it had logged are lost; it is trained again from its beginning"
    ]


def test_a_checkpoint_that_the_journal_does_not_know_yet_counts(
    sweep: Callable[..., StoredSweep],
) -> None:
    assert lost_epochs(sweep(3), past(2), 1) == []


def test_a_damaged_checkpoint_is_named(sweep: Callable[..., StoredSweep]) -> None:
    stored = sweep(3)
    (file,) = stored.folder.checkpoints.iterdir()
    file.write_bytes(b"other")
    (line,) = lost_epochs(stored, past(3), 1)
    assert f"{file.name} is damaged; trial-0000 is trained again from its beginning" in line
