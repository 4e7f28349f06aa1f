"""What a user is told when a sweep stops before its end: always how it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep.errors import Interrupted, StorageFailed, StoreFailed
from raysweep.storage.stop import StorageLost
from raysweep.storage.storage import Storage
from raysweep.sweep.announce import interruptible

RESUME = "python -m raysweep resume mine --storage {root} --address auto"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """One with a sweep that has begun."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "journal.jsonl").touch()
    return Storage(tmp_path)


@pytest.mark.parametrize("lost", [StorageLost("a disk is full"), StoreFailed("a disk is full")])
def test_a_storage_that_is_lost_in_a_trial_or_in_the_driver(
    storage: Storage, lost: BaseException
) -> None:
    with pytest.raises(StorageFailed) as told, interruptible(storage, "mine", "auto"):
        raise lost
    assert str(told.value).startswith("mine stopped: a disk is full; ")
    assert str(told.value).endswith(RESUME.format(root=storage.root))


def test_an_interrupt(storage: Storage) -> None:
    with pytest.raises(Interrupted) as told, interruptible(storage, "mine", "auto"):
        raise KeyboardInterrupt
    assert str(told.value).endswith(RESUME.format(root=storage.root))


def test_an_interrupt_when_all_was_done(storage: Storage) -> None:
    (storage.root / "mine" / "result.json").write_text("{}")
    with (
        pytest.raises(Interrupted, match="mine has ended: see it with `python -m raysweep best"),
        interruptible(storage, "mine", None),
    ):
        raise KeyboardInterrupt
