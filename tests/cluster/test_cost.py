"""Count what a sweep starts and imports, with real processes: the same on every machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import family

TRIALS, CPUS = 16, 2

SCRIPT = """
import json, os, sys
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from family import family
from raysweep import run_sweep
from raysweep.events import TrialUpdated

workers, scripts, suggested, parents, agents = set(), set(), [], set(), set()
faults = defaultdict(list)

def minor_faults(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])

def look(event):
    if not isinstance(event, TrialUpdated):
        return
    if not suggested:
        journal = Path(sys.argv[2], "mine", "journal.jsonl").read_text().splitlines()
        suggested.append(sum(json.loads(line)["event"] == "trial" for line in journal))
    ours = family(os.getpid())
    trials = [each for each in ours if each.title.startswith("ray::TrialTrainable")]
    workers.update(each.pid for each in trials)
    for each in trials:
        with suppress(OSError):  # it ends meanwhile
            faults[each.pid].append(minor_faults(each.pid))
    parents.update(parent.title for parent in ours for each in trials if each.parent == parent.pid)
    scripts.update(word for each in ours for word in each.title.split() if word.endswith(".py"))
    agents.update(each.title for each in ours if each.title.endswith("Agent"))

run_sweep(json.loads(sys.argv[1]), name="mine", storage=sys.argv[2], observer=look)
heavy = {"torch", "torchvision", "sklearn", "scipy", "wandb"}
found = {"workers": len(workers), "suggested": suggested[0], "scripts": sorted(scripts)}
found |= {"parents": sorted(parents), "agents": sorted(agents)}
found["faults"] = max(seen[-1] - seen[len(seen) // 2] for seen in faults.values() if seen)
print(json.dumps({**found, "imported": sorted(heavy & sys.modules.keys())}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config = {
        "data": {"dataset": "digits", "train_size": 1200},
        "model": {"hidden_layer_sizes": [32, 64]},  # what a step makes is more than malloc keeps
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
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(family.__file__).parent)},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_trials_share_as_many_processes_as_run_at_once(found: dict[str, Any]) -> None:
    """Also if a trial is shorter than a worker's start: no worker is started in vain or killed."""
    assert found["workers"] == CPUS


def test_trials_import_nothing_themselves(found: dict[str, Any]) -> None:
    """Workers are forked from a process that has imported Ray, Tune and torch (2 s of CPU)."""
    assert found["parents"] == ["raysweep::ForkServer"]


def test_ray_starts_no_process_that_no_sweep_uses(found: dict[str, Any]) -> None:
    """The dashboard, the autoscaler and the log monitor took 2.5 s of CPU to start."""
    beside_workers = {Path(script).name for script in found["scripts"]} - {"default_worker.py"}
    ours = {"fork_server.py", "ray_worker.py", "ray_agent.py"}
    assert beside_workers <= {"agent.py", "main.py", "setup_worker.py"} | ours
    assert found["agents"] == [], "nobody has asked for one, 1 s of CPU each"


def test_workers_start_side_by_side(found: dict[str, Any]) -> None:
    """When the first trial is heard of, as many have been asked for as run at once. Tune alone
    waits for each worker, 3 s, before it asks for the next."""
    assert found["suggested"] == CPUS


def test_the_driver_imports_nothing_that_only_trials_need(found: dict[str, Any]) -> None:
    """Tune itself imports W&B's client, where there is one, to count callbacks that log to it."""
    assert set(found["imported"]) <= {"wandb"}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator alone is told")
def test_a_trial_takes_no_new_memory_at_each_step(found: dict[str, Any]) -> None:
    """Page faults of a worker in the second half of its trials: 100 to 1,500; where malloc gives
    back what a step frees, 12,000 to 38,000."""
    assert found["faults"] < 5_000
