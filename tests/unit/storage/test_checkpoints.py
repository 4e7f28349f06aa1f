"""The folder of trials' checkpoints, whoever writes into it, and in whatever order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.storage.checkpoints import CheckpointFolder, digest_of, file_name


def names(folder: CheckpointFolder) -> list[str]:
    return sorted(path.name[:16] for path in folder.folder.iterdir())


def until(true: Callable[[], bool]) -> None:
    """Wait for the thread that syncs."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_last_two_of_a_trial_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert list(folder.usable("trial-0000")) == []
    folder.keep("trial-0001", 1, b"another")
    for epochs, data in enumerate((b"one", b"two", b"three"), start=1):
        folder.keep("trial-0000", epochs, data)
    last = ["trial-0000-e0002", "trial-0000-e0003", "trial-0001-e0001"]
    until(lambda: names(folder) == last)
    assert list(folder.usable("trial-0000")) == [b"three", b"two"]
    folder.forget("trial-0000")
    assert list(folder.usable("trial-0000")) == []
    assert list(folder.usable("trial-0001")) == [b"another"]


def test_a_straggler_does_not_remove_a_newer_one(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep("trial-0000", 5, b"five")
    folder.keep("trial-0000", 4, b"four")
    folder.keep("trial-0000", 3, b"three")
    assert next(folder.usable("trial-0000")) == b"five"


def test_the_one_before_stays_until_a_new_one_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes and the name: a name without bytes, or bytes without a name, are no checkpoint."""
    seen: list[tuple[str, list[str]]] = []
    folder = CheckpointFolder(tmp_path)

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if tmp_path in (path, path.parent):  # else of another test's folder
            seen.append((path.name[:16], names(folder)))

    monkeypatch.setattr(os, "fsync", fsync)
    for epochs in (1, 2, 3):
        folder.keep("trial-0000", epochs, b"%d" % epochs)
        until(lambda: len(seen) == 2 * epochs)  # noqa: B023 - called here
    synced = [name for name, _ in seen]
    assert synced == [
        *("trial-0000-e0001", tmp_path.name[:16]),
        *("trial-0000-e0002", tmp_path.name[:16]),
        *("trial-0000-e0003", tmp_path.name[:16]),
    ]
    assert all("trial-0000-e0001" in there for _, there in seen), "until the third is on the disk"
    until(lambda: names(folder) == ["trial-0000-e0002", "trial-0000-e0003"])


def test_a_disk_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    folder = CheckpointFolder(tmp_path)

    def refused() -> bool:
        try:
            folder.keep("trial-0000", 1, b"one")
        except OSError as error:
            return error.errno == 28
        return False

    until(refused)


@pytest.mark.parametrize("spoilt", [b"twp", b"", b"tw", None])
def test_a_damaged_one_is_passed_over(tmp_path: Path, spoilt: bytes | None) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep("trial-0000", 1, b"one")
    folder.keep("trial-0000", 2, b"two")
    path = tmp_path / file_name("trial-0000", 2, digest_of(b"two"))
    path.unlink()
    if spoilt is not None:
        path.write_bytes(spoilt)
    assert list(folder.usable("trial-0000")) == [b"one"]


def test_one_that_comes_in_chunks_appears_whole(tmp_path: Path) -> None:
    """The writer may die, and be sent the chunk or the last word again."""
    folder, data = CheckpointFolder(tmp_path), b"abcdef"
    name = file_name("trial-0000", 1, digest_of(data))
    staged = file_name("trial-0000", 1, "5ca1ab1e" * 2)
    for offset in (0, 2, 4, 4, 0):
        folder.stage(staged, offset, data[offset : offset + 2])
        assert list(folder.usable("trial-0000")) == []
    for _ in range(2):
        folder.commit("trial-0000", 1, staged, name)
        assert list(folder.usable("trial-0000")) == [data]


def test_others_go(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.keep("trial-0000", 1, b"one")
    folder.keep("trial-0001", 1, b"other")
    folder.forget_all_but({"trial-0001"})
    assert names(folder) == ["trial-0001-e0001"]
