"""The folder of trials' checkpoints, whoever writes into it, and in whatever order."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep.errors import CheckpointLost
from raysweep.pipeline.trials.checkpoints import CheckpointFolder


def test_the_latest_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert folder.latest("trial-0000") is None
    folder.keep("trial-0000", 1, b"one")
    folder.keep("trial-0001", 1, b"another")
    folder.keep("trial-0000", 2, b"two")
    assert folder.latest("trial-0000") == b"two"
    assert len(list(folder.folder.iterdir())) == 2
    folder.forget("trial-0000")
    assert folder.latest("trial-0000") is None
    assert folder.latest("trial-0001") == b"another"


def test_a_straggler_does_not_remove_a_newer_one(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep("trial-0000", 5, b"five")
    folder.keep("trial-0000", 4, b"four")
    assert folder.latest("trial-0000") == b"five"


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep("trial-0000", 1, b"one")
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"onf")
    with pytest.raises(CheckpointLost, match=str(path)):
        folder.latest("trial-0000")
