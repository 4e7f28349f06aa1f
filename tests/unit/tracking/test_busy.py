"""A lock of the store that another process holds: waited for, and said whose it is."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.errors import StoreBusy, StoreFailed
from raysweep.tracking import RunSpec
from raysweep.tracking.busy import holder_of, is_busy
from raysweep.tracking.trackio import database as trackio_database
from raysweep.tracking.trackio.store import TrackioStore

PROJECT = "busy"
SPEC = RunSpec(id="one", name="one", job_type="train", group="mine")
TRACKIOS = "import fcntl; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX)"
SQLITES = "import sqlite3; db = sqlite3.connect(sys.argv[1]); db.execute('BEGIN IMMEDIATE')"


class Holder:
    """A process that holds a lock, and is stopped meanwhile, as by Ctrl-Z."""

    def __init__(self, lock: str, file: Path) -> None:
        code = f"import sys; {lock}; print('held', flush=True); sys.stdin.read()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def let_go(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.communicate()


@pytest.mark.parametrize(
    ("lock", "file"), [(TRACKIOS, f"{PROJECT}.lock"), (SQLITES, f"{PROJECT}.db")]
)
def test_it_is_waited_for_until_it_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, file: str
) -> None:
    """Trackio itself gives up after 10 s."""
    monkeypatch.setattr(trackio_database, "SQLITE_TIMEOUT_S", 0.2)
    told: list[str] = []
    act: list[Callable[[], None]] = []

    def tell(line: str) -> None:
        told.append(line)
        act[0]()

    store = TrackioStore(tmp_path, PROJECT, tell)
    holder = Holder(lock, tmp_path / file)
    act.append(holder.let_go)
    store.start_run(SPEC)
    assert [run.id for run in store.runs()] == ["one"]
    (line,) = told
    assert line.startswith(f"{tmp_path / PROJECT}.lock: locked by process {holder.process.pid} (")
    assert line.endswith(", which is stopped; waiting until it is released")
    assert "\n" not in line


def test_who_is_interrupted_waits_for_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trackio_database, "SQLITE_TIMEOUT_S", 0.2)
    store = TrackioStore(tmp_path, PROJECT)
    store.start_run(SPEC)
    holder = Holder(SQLITES, tmp_path / f"{PROJECT}.db")
    with pytest.raises(StoreBusy, match=f"locked by process {holder.process.pid} .*; end that"):
        store.close_stale("mine", "interrupted")
    holder.let_go()
    assert "waiting until it is released" in capsys.readouterr().err
    assert store.close_stale("mine", "interrupted") == ["one"]


def test_what_is_read_meanwhile_waits_for_nobody(tmp_path: Path) -> None:
    store = TrackioStore(tmp_path, PROJECT)
    store.start_run(SPEC)
    holders = [Holder(TRACKIOS, tmp_path / f"{PROJECT}.lock")]
    holders.append(Holder(SQLITES, tmp_path / f"{PROJECT}.db"))
    assert [run.id for run in store.runs()] == ["one"]
    for holder in holders:
        holder.let_go()


def test_a_disk_that_takes_no_more_is_no_lock(tmp_path: Path) -> None:
    assert not is_busy(OSError(28, "No space left on device"))
    assert not is_busy(PermissionError(13, "Permission denied", "project.lock"))
    assert not is_busy(sqlite3.OperationalError("database or disk is full"))
    assert is_busy(sqlite3.OperationalError("database is locked"))
    assert holder_of([tmp_path / "nothing"]) == "another process"
    (tmp_path / "busy.lock").mkdir()
    with pytest.raises(StoreFailed, match="Is a directory"):
        TrackioStore(tmp_path, PROJECT)
