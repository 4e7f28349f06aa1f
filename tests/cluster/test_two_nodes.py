"""Machines that share no file system: what a trial needs travels to its node, and goes again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from commands import raysweep
from sweeps import digits, grid, stored
from two_nodes import Cluster, Machine, two_nodes

NETWORK = """
import json, os, sys, tempfile, time
from functools import cache
from pathlib import Path
import ray
from torch import nn

class Meeting:
    def __init__(self):
        self.nodes = set()

    def come(self, node):
        self.nodes.add(node)
        return len(self.nodes)

@cache  # once in a process
def wait_for_the_other_node():
    meeting = ray.remote(Meeting).options(name="meeting", num_cpus=0, get_if_exists=True).remote()
    while ray.get(meeting.come.remote(ray.get_runtime_context().get_node_id())) < 2:
        time.sleep(0.1)

def linear(width: int = 8) -> nn.Module:
    if "raysweep.pipeline.trials.trial" in sys.modules and "BASE" in os.environ:
        temp = Path(tempfile.gettempdir())
        found = [*temp.rglob("*.pt"), *temp.rglob("*.pth")]
        with Path("~/trials.jsonl").expanduser().open("a") as notes:
            print(json.dumps({str(path): path.stat().st_ino for path in found}), file=notes)
        wait_for_the_other_node()
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
"""
"""A network that notes, in the home of its machine, which inputs a trial finds there. The first
trial of a process waits for one on the other node: else the first process is often done with all
trials before the second is up."""


NOTES = "home/trials.jsonl"
ROOT = 0
"""Our user's id inside a cluster's user namespace."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def config(cluster: Cluster) -> Path:
    """Four trials, one CPU each; it and its network lie where the workers find nothing."""
    folder = cluster.base / "laptop"
    folder.mkdir()
    (folder / "noting_network.py").write_text(NETWORK)
    rates = digits(grid(learning_rate=[0.1, 0.03, 0.01, 0.003]))
    sweep = {**rates, "model": {"target": "noting_network:linear"}}
    (folder / "grid.yaml").write_text(yaml.safe_dump(sweep))
    return folder / "grid.yaml"


@contextmanager
def started(
    cluster: Cluster, config: Path, name: str, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """The sweep's command, on the machine that has the storage."""
    place = ["--address", cluster.address, "--storage", cluster.base / "runs", "--name", name]
    arguments = ["run", config, *place, "--json", *more]
    with subprocess.Popen(
        cluster.head.inside(sys.executable, "-m", "raysweep", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**cluster.env, "RAYSWEEP_DATA": os.devnull + "/none"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # nothing where it has ended, as it should have


def left_of_sweeps(machine: Machine) -> list[str]:
    """Everything on the machine that is raysweep's or the storage's; what Ray keeps apart."""
    names = ("raysweep*", "runs", "laptop", "wandb")
    return [str(path) for name in names for path in machine.folder().rglob(name)]


def test_trials_on_both_nodes_give_what_this_machine_gives(
    cluster: Cluster, config: Path, tmp_path: Path
) -> None:
    for worker in cluster.workers:
        (worker.folder() / NOTES).unlink(missing_ok=True)
    with started(cluster, config, "spread") as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    spread = json.loads(out)
    assert spread["trials"] == {"total": 4, "completed": 4, "stopped": 0, "failed": 0}

    notes = [notes_of(worker) for worker in cluster.workers]
    assert sum(map(len, notes)) == 4
    for each in notes:
        assert each, "no trial ran on this node"
        assert len(each[0]) == 4  # three splits and a model, once
        assert all(note == each[0] for note in each)  # the same inodes
    assert [left_of_sweeps(worker) for worker in cluster.workers] == [[], []]

    one = ("--set", "resources.max_concurrent=1")
    alone = raysweep("run", config, "--storage", tmp_path / "runs", "--json", *one)
    for key in ("trial", "config", "metrics"):
        assert spread["best"][key] == alone["best"][key]
    assert spread["test"] == alone["test"]
    there, here = digests(cluster.base / "runs"), digests(tmp_path / "runs")
    assert len(there) == 4
    assert there == here


def test_nothing_is_left_on_the_nodes_by_an_interrupted_sweep(
    cluster: Cluster, config: Path
) -> None:
    """Nor by one that was killed earlier, whose folder nobody holds any more."""
    for worker in cluster.workers:
        plant_what_a_killed_sweep_leaves(worker)
    with started(cluster, config, "interrupted", "--set", "train.epochs=100000") as process:
        for worker in cluster.workers:
            wait_for_inputs(worker, cluster.base / "runs" / "interrupted", process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert [left_of_sweeps(worker) for worker in cluster.workers] == [[], []]


def plant_what_a_killed_sweep_leaves(worker: Machine) -> None:
    root = worker.folder() / "tmp" / f"raysweep-inputs-{ROOT}"
    (root / "killed" / "linear-v0").mkdir(parents=True)
    (root / "killed.lock").touch()
    root.chmod(0o700)


def wait_for_inputs(worker: Machine, sweep: Path, process: subprocess.Popen[str]) -> None:
    """Until a trial of the sweep has its inputs on the node."""
    deadline = time.monotonic() + 60
    while not (record := sweep / "sweep.json").exists() or not list(
        worker.folder().rglob(f"{json.loads(record.read_text())['id']}/linear-v*/*.pth")
    ):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


def notes_of(worker: Machine) -> list[dict[str, int]]:
    """What the trials of this node noted."""
    path = worker.folder() / NOTES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def digests(storage: Path) -> dict[str, str]:
    """Trial → the digest of the weights that it logged."""
    sweep = stored(storage)
    tracker = sweep.tracker()
    found = {}
    for run in tracker.runs(sweep.record.name):
        for ref in run.logged:
            if ref.startswith("trained-model:"):
                files = {file.path: file.digest for file in tracker.artifact(ref).files}
                found[run.config["trial"]] = files["trained_model.pth"]
    tracker.close()
    return found
