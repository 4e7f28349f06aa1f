"""A sweep's folder on a node is shared while a process uses it, and removed afterwards."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raysweep.errors import TrackingError
from raysweep.trials import node_folder

USER = """
import sys
from raysweep.trials.node_folder import enter
folder = enter(sys.argv[1])
folder.mkdir(exist_ok=True)
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the node's temporary folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@contextmanager
def another(sweep: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a process that uses the sweep's folder until it is killed."""
    command = [sys.executable, "-c", USER, sweep]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_the_next_sweep_removes_a_killed_sweeps_folder_and_no_live_one(temp: Path) -> None:
    with another("dead") as (killed, dead), another("alive") as (_, alive):
        assert dead.is_dir()
        assert alive.is_dir()
        killed.kill()
        killed.wait()
        mine = node_folder.enter("mine")
        assert mine.parent == alive.parent == dead.parent
        assert not dead.exists()
        assert alive.is_dir()
        mine.mkdir()
        node_folder.leave("mine")
        assert sorted(path.name for path in mine.parent.iterdir()) == ["alive", "alive.lock"]
    node_folder.leave("mine")
    assert list(temp.iterdir()) == []


def test_another_users_folder_is_not_trusted(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = node_folder.enter("sweep").parent
    assert root.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr("os.getuid", lambda: 4711)
    root.rename(temp / "raysweep-inputs-4711")
    with pytest.raises(TrackingError, match="belongs to another user"):
        node_folder.enter("sweep")
