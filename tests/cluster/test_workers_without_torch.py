"""A sweep whose trials need no torch has none in its workers, and they are forked all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from raysweep import run_sweep
from rows_workload import known, rows_config

rule = {"type": "hyperband", "min_iter": 2, "eta": 2, "order": "sweep"}
with known():
    result = run_sweep(rows_config(early_terminate=rule), storage=sys.argv[2])
print(json.dumps({
    "driver": "torch" in sys.modules,
    "trials": [[row.overrides["learning_rate"], row.state, row.epoch] for row in result.rows],
    "workers": [row.best["torch"] for row in result.rows],
    "forked": [row.best["forked"] for row in result.rows],
}))
"""


def test_trials_wait_for_each_other_and_import_what_they_need(tmp_path: Path) -> None:
    """In the order of the sweep, two at once, they end as one after the other would."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, TESTS, tmp_path], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["trials"] == [
        [0.5, "completed", 8],
        [0.6, "completed", 9],
        *([rate, "stopped", 2] for rate in (0.4, 0.3, 0.2, 0.1)),
    ]
    assert not found["driver"]
    assert set(found["workers"]) == {0.0}
    if sys.platform == "linux":
        assert set(found["forked"]) == {1.0}
