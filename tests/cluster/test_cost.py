"""What a sweep starts and imports, with real processes: counts, which no machine changes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

TRIALS, CPUS = 6, 2

SCRIPT = """
import json, sys
from pathlib import Path
from raysweep import run_sweep
from raysweep.pipeline.events import TrialUpdated

workers, suggested = set(), []

def look(event):
    if not isinstance(event, TrialUpdated):
        return
    if not suggested:
        journal = Path(sys.argv[2], "mine", "journal.jsonl").read_text().splitlines()
        suggested.append(sum(json.loads(line)["event"] == "trial" for line in journal))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title, parent = (process / "cmdline").read_text(), (process / "stat").read_text()
        except OSError:
            continue
        if title.startswith("ray::TrialTrainable") and parent.rpartition(")")[2].split()[1] in ours:
            workers.add(process.name)

class Ours:
    def __contains__(self, raylet):
        # Ray's workers are the raylet's children, and it is ours.
        stat = Path("/proc", raylet, "stat").read_text()
        return stat.rpartition(")")[2].split()[1] == str(__import__("os").getpid())

ours = Ours()
run_sweep(json.loads(sys.argv[1]), name="mine", storage=sys.argv[2], observer=look)
heavy = {"torch", "torchvision", "sklearn", "scipy"}
found = {"workers": len(workers), "suggested": suggested[0]}
print(json.dumps({**found, "imported": sorted(heavy & sys.modules.keys())}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config = {
        "data": {"dataset": "digits", "train_size": 300},
        "model": {"hidden_layer_sizes": [2, 4]},
        "train": {"epochs": 1},
        "resources": {"cpus": 1, "max_concurrent": CPUS},
        "tracking": {"backend": "trackio"},
        "sweep": {
            "method": "grid",
            "parameters": {"learning_rate": {"values": [0.01 + n / 1000 for n in range(TRIALS)]}},
        },
    }
    storage = tmp_path_factory.mktemp("cost") / "runs"
    command = [sys.executable, "-c", SCRIPT, json.dumps(config), str(storage)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_trials_share_as_many_processes_as_run_at_once(found: dict[str, Any]) -> None:
    assert 1 <= found["workers"] <= CPUS


def test_workers_start_side_by_side(found: dict[str, Any]) -> None:
    """When the first trial is heard of, as many have been asked for as run at once. Tune alone
    waits for each worker, 3 s, before it asks for the next."""
    assert found["suggested"] == CPUS


def test_the_driver_imports_nothing_that_only_trials_need(found: dict[str, Any]) -> None:
    assert found["imported"] == []
