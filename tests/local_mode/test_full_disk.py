"""A disk that is full at any time, and then read-only: a line reports it, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import environment
from sweeps import HAS_LOCAL_MODE

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

ON_A_DISK_OF_ITS_OWN = ["unshare", "--mount", "--map-root-user", "sh", "-ec"]
MOUNT = 'mount -t tmpfs -o size=40m none "$DISK"'
AT_THE_LAST_STEPS = f"""
{MOUNT}
mkdir "$DISK/small"
mount -t tmpfs -o size=8k none "$DISK/small"
"$PYTHON" -c "$LAST_STEPS"
"""
STEPS = f"""
{MOUNT}
"$PYTHON" -c "$SWEEPS"
mount -o remount,ro "$DISK"
again="$PYTHON -m raysweep resume spoilt --storage $DISK/runs"
$again 2> "$SAID/read-only" || echo $? > "$SAID/code"
mount -o remount,rw "$DISK"
$again --local-mode
"$PYTHON" -c "$COMPARISON"
"""

SWEEPS = """
import os
from contextlib import suppress
from pathlib import Path
from raysweep import run_sweep
from raysweep.errors import StorageFailed
from raysweep.events import TrialUpdated
from sweeps import digits, grid, one_process

disk = Path(os.environ["DISK"])
config = digits(grid(learning_rate=[0.01, 0.02, 0.03]), train={"epochs": 3})

def fill(event):
    if isinstance(event, TrialUpdated) and (event.index, event.epoch) == (1, 1):
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

with one_process():
    for name in ("first", "calm"):  # the second one's stages are those of the first, as the third's
        run_sweep(config, name=name, storage=disk / "runs")
    try:
        run_sweep(config, name="spoilt", storage=disk / "runs", observer=fill)
    except StorageFailed as error:
        Path(os.environ["SAID"], "full").write_text(str(error))
(disk / "filler").unlink()
"""

LAST_STEPS = """
import json, os, sys
from contextlib import suppress
from pathlib import Path
from raysweep import cli, resume_sweep, run_sweep
from raysweep.errors import StorageFailed
from raysweep.sweep import drive
from raysweep.sweep import job
from raysweep.tracking.trackio.tracker import TrackioTracker
from outcomes import outcome
from sweeps import digits, grid, one_process

disk, said = Path(os.environ["DISK"]), Path(os.environ["SAID"])
config = digits(grid(learning_rate=[0.01]), train={"epochs": 1})
runs = disk / "runs"

def fill():
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))

def full(place, name, when):
    there = getattr(place, name)
    def call(*given, **more):
        if when == "before":
            fill()
        answer = there(*given, **more)
        if when == "after":
            fill()
        return answer
    setattr(place, name, call)
    return lambda: setattr(place, name, there)

POINTS = {  # what is not kept when the disk fills up there
    "folder": (job.Storage, "create", "before"),
    "download": (drive, "choose_winner", "after"),
    "copy": (TrackioTracker, "download", "after"),
    "result": (drive, "links", "after"),
}
with one_process():
    for name in ("first", "calm"):
        run_sweep(config, name=name, storage=runs)
    for name, point in POINTS.items():
        calm = full(*point)
        try:
            run_sweep(config, name=name, storage=runs)
        except StorageFailed as error:
            (said / name).write_text(str(error))
        finally:
            calm()
            (disk / "filler").unlink()
        if name == "folder":
            assert not (runs / name).exists()
            run_sweep(config, name=name, storage=runs)
        else:
            resume_sweep(name, storage=runs)
        assert outcome(runs, name) == outcome(runs, "calm"), name
small = disk / "small"
target = str(small / "model")
code = cli.main(["best", "calm", "--storage", str(runs), "--download", target])
(said / "best").write_text(f"{code} {list(small.iterdir())}")
"""

COMPARISON = """
import os
from pathlib import Path
from outcomes import outcome
runs = Path(os.environ["DISK"], "runs")
assert outcome(runs, "spoilt") == outcome(runs, "calm")
"""


@pytest.fixture
def on_a_disk(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run shell steps in a mount namespace, where `$DISK` may become a small disk."""
    disk, said = tmp_path / "disk", tmp_path / "said"
    disk.mkdir()
    said.mkdir()
    tests = str(Path(__file__).parents[1])
    env = {
        **environment(PYTHONPATH=os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])),
        "DISK": str(disk),
        "SAID": str(said),
        "PYTHON": sys.executable,
        "SWEEPS": SWEEPS,
        "LAST_STEPS": LAST_STEPS,
        "COMPARISON": COMPARISON,
    }

    def run(steps: str) -> subprocess.CompletedProcess[str]:
        command = [*ON_A_DISK_OF_ITS_OWN, steps]
        return subprocess.run(command, capture_output=True, text=True, env=env)

    if (allowed := run(MOUNT)).returncode:
        pytest.skip(f"no disk of one's own here: {allowed.stderr.strip()}")
    return run


def test_it_stops_and_is_resumed_when_the_disk_has_room(
    tmp_path: Path, on_a_disk: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    disk, said = tmp_path / "disk", tmp_path / "said"
    done = on_a_disk(STEPS)
    assert done.returncode == 0, done.stderr
    full = (said / "full").read_text()
    assert full.startswith("spoilt stopped: "), full
    assert full.endswith(f"python -m raysweep resume spoilt --storage {disk}/runs"), full
    assert "\n" not in full
    read_only = (said / "read-only").read_text()
    assert (said / "code").read_text().strip() == "2", read_only
    assert read_only.startswith(f"raysweep: {disk}/runs/spoilt: cannot be written (Read-only")


def test_at_the_last_steps_it_stops_and_is_resumed_as_well(
    tmp_path: Path, on_a_disk: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    disk, said = tmp_path / "disk", tmp_path / "said"
    done = on_a_disk(AT_THE_LAST_STEPS)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    told = {path.name: path.read_text() for path in said.iterdir()}
    assert told.pop("best") == "1 []"
    assert f"raysweep: {disk}/small/model: cannot write the download: " in done.stderr
    assert set(told) == {"folder", "download", "copy", "result"}
    for name, line in told.items():
        assert "\n" not in line
        assert "No space left on device" in line or "disk is full" in line, line
        if name == "folder":
            assert line.startswith("folder has not started: ")
            assert line.endswith(", and run it again")
        else:
            assert line.startswith(f"{name} stopped: ")
            assert line.endswith(f"python -m raysweep resume {name} --storage {disk}/runs")
