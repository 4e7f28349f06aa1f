"""A sweep's lock: who drives it, who may look, and what another user's lock keeps from whom."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from raysweep.errors import UserError
from raysweep.storage.claim import (
    LOCK,
    abandoned,
    claim,
    is_driven,
    is_orphaned,
    reclaimed,
    release,
)
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder

NOBODY = 65534


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "runs")


def make(storage: Storage, name: str) -> SweepFolder:
    return storage.create(SweepRecord.new(name, "locks", None, "trackio"), {})


def test_a_look_neither_takes_the_lock_nor_makes_one(storage: Storage) -> None:
    folder = make(storage, "mine")
    assert not is_driven(folder)
    assert not (folder.path / LOCK).exists()
    lock = claim(folder)
    assert is_driven(folder)
    lock.release()  # as a killed driver's is
    assert is_orphaned(folder)
    with (folder.path / LOCK).open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)  # another `list`, in the middle of its look
        assert not is_driven(folder)


def test_who_takes_a_sweep_up_is_not_refused_for_somebody_who_looks(storage: Storage) -> None:
    folder = make(storage, "mine")
    (folder.path / LOCK).touch()
    with (folder.path / LOCK).open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        looks = threading.Timer(0.2, fcntl.flock, (looked_at, fcntl.LOCK_UN))
        looks.start()
        with reclaimed(folder):
            assert is_driven(folder)
        looks.join()
    assert not (folder.path / LOCK).exists()


def test_a_sweep_under_way_is_refused(storage: Storage) -> None:
    folder = make(storage, "mine")
    lock = claim(folder)
    with pytest.raises(UserError, match="still running"), reclaimed(folder):
        raise AssertionError("taken")
    release(lock)


def test_who_waited_for_a_lock_that_is_gone_guards_nothing_by_it(storage: Storage) -> None:
    """`release` removes the file while it is held: whoever had opened it must look again. What is
    declared of filelock is what does."""
    folder = make(storage, "mine")
    held, waiting = claim(folder), FileLock(folder.path / LOCK)
    got = threading.Event()

    def wait() -> None:
        waiting.acquire(poll_interval=0.001)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    release(held)
    thread.join()
    assert (folder.path / LOCK).exists(), "it holds a lock without a name"
    with pytest.raises(Timeout):
        FileLock(folder.path / LOCK).acquire(timeout=0)
    waiting.release()
    assert (folder.path / LOCK).exists(), "the mark of a killed driver would go"


def test_a_lock_that_cannot_be_removed_is_let_go_of(storage: Storage) -> None:
    """As on a disk that has become read-only at the sweep's end."""
    folder = make(storage, "mine")
    lock = claim(folder)
    (folder.path / LOCK).unlink()
    (folder.path / LOCK).mkdir()
    release(lock)
    assert not lock.is_locked


@pytest.fixture
def shared() -> Iterator[Path]:
    """A storage that other users can reach, and write to."""
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    folder = Path(tempfile.mkdtemp(prefix="raysweep-shared-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


ANOTHER = """
import json, os
from pathlib import Path
import yaml
from raysweep.errors import UserError
from raysweep.storage.claim import abandoned, reclaimed
from raysweep.storage.reading import listed
from raysweep.storage.storage import Storage, SweepRecord

os.setgid({nobody})  # from here on: who may not even read this Python
os.setuid({nobody})
storage, told = Storage(Path({root!r})), []
mine = SweepRecord.new("mine", "locks", None, "trackio")
storage.create(mine, {{}})
found = [folder.path.name for folder in abandoned(storage, mine, told.append)]
refused = ""
try:
    with reclaimed(storage.find("theirs")):
        pass
except UserError as error:
    refused = str(error)
names = {{each["sweep"]: each["state"] for each in listed(storage, told.append)}}
print(json.dumps([found, told, refused, names]))
"""


def as_another_user(root: Path) -> tuple[list[str], list[str], str, dict[str, str]]:
    source = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER.format(nobody=NOBODY, root=str(root))],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": source, "HOME": "/nonexistent"},
    )
    assert done.returncode == 0, done.stderr
    found, told, refused, names = json.loads(done.stdout)
    return found, told, refused, names


def test_another_users_lock_is_named_and_stops_nobody(shared: Path) -> None:
    theirs = make(Storage(shared), "theirs")
    (theirs.path / LOCK).touch(0o644)  # as its killed driver left it
    found, told, refused, names = as_another_user(shared)
    assert found == []
    assert len(told) == 1
    assert told[0].startswith(f"{theirs.path / LOCK}: cannot be opened (Permission denied)")
    assert refused.startswith(f"{theirs.path}: cannot be written (Permission denied)")
    assert names == {"theirs": "stopped", "mine": "stopped"}


def test_another_users_sweep_under_way_is_not_even_named(shared: Path) -> None:
    lock = claim(make(Storage(shared), "theirs"))
    found, told, refused, names = as_another_user(shared)
    release(lock)
    assert (found, told) == ([], [])
    assert names["theirs"] == "running"
    assert refused


def test_what_another_user_keeps_to_himself_is_named_and_the_rest_is_shown(shared: Path) -> None:
    theirs, other = (make(Storage(shared), name) for name in ("theirs", "closed"))
    (other.path / LOCK).touch(0o600)
    other.path.chmod(0o700)
    (theirs.path / "sweep.json").chmod(0o644)
    found, told, _, names = as_another_user(shared)
    assert found == []
    assert set(names) == {"theirs", "mine"}
    assert len(told) == 1
    assert f"{other.path}/sweep.json: not a readable record of a sweep" in told[0]
    assert "Permission denied" in told[0]


def test_an_abandoned_sweep_behind_a_link_is_left_alone(storage: Storage, tmp_path: Path) -> None:
    folder = make(storage, "theirs")
    (folder.path / LOCK).touch()
    folder.path.rename(tmp_path / "elsewhere")
    folder.path.symlink_to(tmp_path / "elsewhere")
    mine = SweepRecord.new("mine", "locks", None, "trackio")
    assert list(abandoned(storage, mine)) == []
