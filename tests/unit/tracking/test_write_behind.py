"""Files are synced behind the caller's back, and a disk that refuses is heard of."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from raysweep.tracking.write_behind import WriteBehind


def wait_until_seen(seen: list[int], count: int) -> None:
    deadline = time.monotonic() + 10
    while len(seen) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_file_is_synced_and_one_that_is_gone_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in "abc"]
    for file in (files[0], files[2]):
        file.write_bytes(b"x")
    written = [files[0].stat().st_ino, files[2].stat().st_ino]
    synced: list[int] = []
    real = os.fsync

    def sync(file: int) -> None:
        real(file)
        if (number := os.fstat(file).st_ino) in written:  # another test's thread may sync as well
            synced.append(number)

    monkeypatch.setattr(os, "fsync", sync)
    disk = WriteBehind()
    for each in files:
        disk.add(each)
    wait_until_seen(synced, 2)
    assert synced == written


def test_a_disk_that_refuses_is_told_to_the_next_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(file: int) -> None:
        asked.append(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    (tmp_path / "a").write_bytes(b"x")
    disk = WriteBehind()
    disk.add(tmp_path / "a")
    wait_until_seen(asked, 1)
    deadline = time.monotonic() + 10
    with pytest.raises(OSError, match="Input/output"):
        while time.monotonic() < deadline:
            disk.add(tmp_path / "a")
