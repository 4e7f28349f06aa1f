"""Machines that share no file system: what a trial needs travels to its node, and goes again.

A sweep is handed over from outside, is interrupted, and loses a machine, in this order.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import raysweep
from ray_head import NO_JOBS, python_with_jobs
from sweeps import digits, grid, stored
from two_nodes import JOBS, Cluster, Machine, two_nodes

pytestmark = pytest.mark.timeout(600)  # three raylets, and every process imports torch

NETWORK = """
import json, os, sys, tempfile, time
from functools import cache
from pathlib import Path
import ray
from ray.experimental import internal_kv
from torch import nn

def is_trial_of_the_cluster():
    return "raysweep.trials.training.work" in sys.modules and "BASE" in os.environ

@cache  # once in a process
def wait_for_the_other_node():
    context = ray.get_runtime_context()
    meeting = f"meeting-{context.get_job_id()}-"
    internal_kv._internal_kv_put(meeting + context.get_node_id(), b"here")
    while len(internal_kv._internal_kv_list(meeting)) < 2:
        time.sleep(0.1)

class Linear(nn.Sequential):
    epochs = 0

    def train(self, mode=True):
        if mode and is_trial_of_the_cluster():
            home = Path.home()
            while self.epochs and (home / "hold").exists():
                (home / "held").touch()
                time.sleep(0.1)
            with (home / "epochs.txt").open("a") as notes:
                print(self.epochs, file=notes)
            print("noted epoch", self.epochs)
            self.epochs += 1
        return super().train(mode)

def linear(width: int = 8) -> nn.Module:
    if is_trial_of_the_cluster():
        temp = Path(tempfile.gettempdir())
        found = [*temp.rglob("*.pt"), *temp.rglob("*.pth")]
        with (Path.home() / "trials.jsonl").open("a") as notes:
            print(json.dumps({str(path): path.stat().st_ino for path in found}), file=notes)
        wait_for_the_other_node()
    return Linear(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
"""
"""A network that notes, in the home of its machine, which inputs a trial finds there, and each
epoch that begins. The first trial of a process waits for one on the other node: else the first
process is often done with all trials before the second is up. Where the home has a file `hold`,
a trial goes no further than its first epoch, whose checkpoint is kept by then."""


NOTES = "home/trials.jsonl"
EPOCHS = "home/epochs.txt"
ROOT = 0
"""Our user's id inside a cluster's user namespace."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes(jobs=python_with_jobs()) as made:
        yield made


def written(folder: Path) -> Path:
    """Four trials, one CPU each: the config, with its network beside it."""
    folder.mkdir()
    (folder / "noting_network.py").write_text(NETWORK)
    rates = digits(grid(learning_rate=[0.1, 0.03, 0.01, 0.003]), train={"epochs": 3})
    sweep = {**rates, "model": {"target": "noting_network:linear"}}
    (folder / "grid.yaml").write_text(yaml.safe_dump(sweep))
    return folder / "grid.yaml"


@pytest.fixture(scope="module")
def config(cluster: Cluster) -> Path:
    """Where the head finds it, and the workers nothing."""
    return written(cluster.base / "laptop")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str]]:
    """What the same sweep comes to on this machine: its result, and its models' digests."""
    folder = tmp_path_factory.mktemp("alone")
    storage, one = folder / "runs", ("--set", "resources.max_concurrent=1")
    config = written(folder / "laptop")
    result = raysweep("run", config, "--storage", storage, "--json", *one)
    return result, digests(storage)


def assert_as_alone(
    result: dict[str, Any], storage: Path, alone: tuple[dict[str, Any], dict[str, str]]
) -> None:
    """The same best, test scores and weights, bit for bit."""
    here, weights = alone
    assert result["trials"] == {"total": 4, "completed": 4, "stopped": 0, "failed": 0}
    for key in ("trial", "config", "metrics"):
        assert result["best"][key] == here["best"][key]
    assert result["test"] == here["test"]
    assert len(weights) == 4
    assert digests(storage, result["sweep"]) == weights


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
    found = [str(path) for name in names for path in machine.folder().rglob(name)]
    return [path for path in found if "/runtime_resources/" not in path]


def test_a_sweep_from_outside_gives_what_this_machine_gives(
    cluster: Cluster, alone: tuple[dict[str, Any], dict[str, str]]
) -> None:
    if python_with_jobs() is None:
        pytest.skip(NO_JOBS)
    done = submitted(cluster, written(cluster.outside / "laptop"), "--name", "spread")
    assert done.returncode == 0, done.stderr
    assert_as_alone(json.loads(done.stdout), cluster.base / "home" / "raysweep" / "runs", alone)

    notes = [notes_of(worker) for worker in cluster.workers]
    assert sum(map(len, notes)) == 4
    for each in notes:
        assert each, "no trial ran on this node"
        assert len(each[0]) == 4  # three splits and a model, once
        assert all(note == each[0] for note in each)  # the same inodes
    assert [left_of_sweeps(worker) for worker in cluster.workers] == [[], []]


def submitted(
    cluster: Cluster, config: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """The sweep, handed over by a machine that sees none of the cluster's files, nor they its."""
    for machine in (cluster.head, *cluster.workers):
        assert not any(machine.sees(cluster.outside).iterdir())
    home = cluster.outside / "home"
    home.mkdir()
    command = [python_with_jobs(), "-m", "raysweep", "submit", config.name, *arguments]
    return subprocess.run(
        cluster.from_outside(*command, "--address", JOBS, "--json"),
        cwd=config.parent,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=400,
    )


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


def test_a_node_that_is_lost_costs_no_trial(
    cluster: Cluster, config: Path, alone: tuple[dict[str, Any], dict[str, str]]
) -> None:
    """Its trial, held in the second of three epochs, goes on from the first, on the other node."""
    lost, other = cluster.workers
    (lost.folder() / "home/hold").touch()
    (other.folder() / EPOCHS).unlink(missing_ok=True)
    with started(cluster, config, "lost") as process:
        wait_for(lambda: (lost.folder() / "home/held").exists(), process)
        kept = list((cluster.base / "runs" / "lost" / "checkpoints").glob("*-e0001-*.pt"))
        assert kept, "the head has the checkpoint of a node with which it shares no folder"
        trials = [path.name.partition("-e")[0] for path in kept]
        logs = [cluster.base / "runs" / "lost" / "logs" / f"{trial}.log" for trial in trials]

        def are_there() -> bool:
            return all(log.exists() and "noted epoch 0" in log.read_text() for log in logs)

        wait_for(are_there, process)
        lost.lose()
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert_as_alone(json.loads(out), cluster.base / "runs", alone)
    assert len((other.folder() / EPOCHS).read_text().splitlines()) == 4 * 3 - 1
    for trial in range(4):  # what they printed came to the head, also from the node that is gone
        log = (cluster.base / "runs" / "lost" / "logs" / f"trial-000{trial}.log").read_text()
        assert log.count("noted epoch ") == 3, log
    assert left_of_sweeps(other) == []


def plant_what_a_killed_sweep_leaves(worker: Machine) -> None:
    root = worker.folder() / "tmp" / f"raysweep-inputs-{ROOT}"
    (root / "killed" / "linear-v0").mkdir(parents=True)
    (root / "killed.lock").touch()
    root.chmod(0o700)


def wait_for_inputs(worker: Machine, sweep: Path, process: subprocess.Popen[str]) -> None:
    """Until a trial of the sweep has its inputs on the node."""

    def are_there() -> bool:
        record = sweep / "sweep.json"
        if not record.exists():
            return False
        pattern = f"{json.loads(record.read_text())['id']}/linear-v*/*.pth"
        return any(worker.folder().rglob(pattern))

    wait_for(are_there, process)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until it holds, while the process runs."""
    deadline = time.monotonic() + 180
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


def notes_of(worker: Machine) -> list[dict[str, int]]:
    """What the trials of this node noted."""
    path = worker.folder() / NOTES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def digests(storage: Path, name: str | None = None) -> dict[str, str]:
    """Trial → the digest of the weights that it logged."""
    sweep = stored(storage, name)
    tracker = sweep.tracker()
    found = {}
    for run in tracker.runs(sweep.record.name):
        for ref in run.logged:
            if ref.startswith("trained-model:"):
                files = {file.path: file.digest for file in tracker.artifact(ref).files}
                found[run.config["trial"]] = files["trained_model.pth"]
    tracker.close()
    return found
