"""A disk that is full in mid-sweep, and then read-only: each is said, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands import environment
from sweeps import HAS_LOCAL_MODE

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

ON_A_DISK_OF_ITS_OWN = ["unshare", "--mount", "--map-root-user", "sh", "-ec"]
MOUNT = 'mount -t tmpfs -o size=40m none "$DISK"'
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
from raysweep.pipeline.events import TrialUpdated
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

COMPARISON = """
import os
from pathlib import Path
from outcomes import outcome
runs = Path(os.environ["DISK"], "runs")
assert outcome(runs, "spoilt") == outcome(runs, "calm")
"""


def test_it_stops_and_is_resumed_when_the_disk_takes_more(tmp_path: Path) -> None:
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
        "COMPARISON": COMPARISON,
    }

    def on_a_disk(steps: str) -> subprocess.CompletedProcess[str]:
        command = [*ON_A_DISK_OF_ITS_OWN, steps]
        return subprocess.run(command, capture_output=True, text=True, env=env)

    if (allowed := on_a_disk(MOUNT)).returncode:
        pytest.skip(f"no disk of one's own here: {allowed.stderr.strip()}")
    done = on_a_disk(STEPS)
    assert done.returncode == 0, done.stderr
    full = (said / "full").read_text()
    assert full.startswith("spoilt stopped: "), full
    assert full.endswith(f"python -m raysweep resume spoilt --storage {disk}/runs"), full
    assert "\n" not in full
    read_only = (said / "read-only").read_text()
    assert (said / "code").read_text().strip() == "2", read_only
    assert read_only.startswith(f"raysweep: {disk}/runs/spoilt: cannot be written (Read-only")
