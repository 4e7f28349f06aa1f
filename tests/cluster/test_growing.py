"""Clusters whose autoscaler starts machines when a trial waits for one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from autoscaling import autoscaling_cluster

from commands import call
from sweeps import digits, grid

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

MEETING = """
import os, time, uuid
from pathlib import Path
from torch import nn

def linear(folder: str, trials: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), Met(folder, trials))

class Met(nn.Module):
    "Its first pass waits until as many trials are under way at one time."

    def __init__(self, folder, trials):
        super().__init__()
        self.folder, self.trials, self.met = Path(folder), trials, False

    def forward(self, x):
        if self.training and not self.met:
            self.folder.joinpath(uuid.uuid4().hex).touch()
            deadline = time.monotonic() + 120
            while len(list(self.folder.iterdir())) < self.trials:
                if time.monotonic() > deadline:
                    raise TimeoutError("no other trial came")
                time.sleep(0.05)
            self.met = True
        return x
"""
"""A network whose first trials train only when two of them run at the same time."""

PROGRAM = """
import os, pathlib, time
import wandb

with wandb.init() as run:
    met = pathlib.Path(pathlib.Path("folder.txt").read_text())
    (met / str(os.getpid())).touch()
    while len(list(met.iterdir())) < 2:
        time.sleep(0.05)
    run.log({"gpu": int(os.environ["CUDA_VISIBLE_DEVICES"])})
"""
"""A program whose first trials end only when two of them run at the same time."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("cluster") / "head.log"
    types = {"cpu": {"CPU": 2}, "gpu": {"CPU": 2, "GPU": 1}}
    with autoscaling_cluster(log, types) as address:
        yield address


def config(folder: Path, trials: int, meeting: int = 2, **resources: object) -> Path:
    (folder / "met").mkdir(parents=True)
    (folder / "meeting_network.py").write_text(MEETING)
    path = folder / "sweep.yaml"
    model = {"target": "meeting_network:linear", "folder": str(folder / "met"), "trials": meeting}
    rates = [0.01 * (1 + number) for number in range(trials)]
    sweep = digits(grid(learning_rate=rates), train={"epochs": 1})
    path.write_text(yaml.safe_dump({**sweep, "model": model, "resources": resources}))
    return path


def without_first_report(stderr: str) -> list[str]:
    """Drop the line about the autoscaler's first report: whether it comes depends on seconds."""
    return [line for line in stderr.splitlines() if "the first report of" not in line]


def test_machines_with_gpus_come_and_more_trials_run_at_once(cluster: str, tmp_path: Path) -> None:
    """With a head without CPUs, `auto` means the GPUs that the autoscaler can start."""
    arguments = ("--address", cluster, "--storage", tmp_path / "runs")
    done = call("run", config(tmp_path, trials=3), *arguments)
    assert done.returncode == 0, done.stderr
    lines = without_first_report(done.stderr)
    assert lines[0] == "waiting for a machine of the cluster with 1 CPU and 1 GPU for a trial"
    assert "1 at once with 2 CPU and 1 GPU each" in lines[1]
    assert "the cluster has grown: 2 trials at once" in lines
    assert "3 trials: 3 completed, 0 stopped early, 0 failed" in done.stderr


def test_so_they_do_for_programs(cluster: str, tmp_path: Path) -> None:
    """Each has a GPU of its own, and the folder on a machine that came later."""
    (tmp_path / "met").mkdir()
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "folder.txt").write_text(str(tmp_path / "met"))
    sweep = {"program": "train.py", "method": "grid", "parameters": {"x": {"values": [1, 2, 3]}}}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    arguments = ("--address", cluster, "--storage", tmp_path / "runs", "--name", "mine", "--json")
    done = call("run", tmp_path / "sweep.yaml", "--set", "resources.gpus=1", *arguments)
    assert done.returncode == 0, done.stderr
    assert "3 trials: 3 completed, 0 stopped early, 0 failed" in done.stderr
    shown = json.loads(call("show", "mine", "--json", *arguments[2:4]).stdout)
    assert {trial["metrics"]["gpu"] for trial in shown["leaderboard"]} == {0}


def test_what_none_of_its_machines_has_is_refused_in_a_line(cluster: str, tmp_path: Path) -> None:
    arguments = ("--address", cluster, "--storage", tmp_path / "runs")
    done = call("run", config(tmp_path, trials=2, gpus=2), *arguments)
    assert done.returncode == 2
    waits, refused = without_first_report(done.stderr)
    assert waits == "waiting for a machine of the cluster with 1 CPU and 2 GPU for a trial"
    assert refused == (
        "raysweep: resources: a trial needs 1 CPU and 2 GPU, and the cluster has no machine with "
        "as much and starts none (see `ray status`); lower resources, or add such a type of machine"
    )
    assert not (tmp_path / "runs").exists()


def test_a_cluster_that_has_no_gpu_to_start_says_so_and_trains_on_cpus(tmp_path: Path) -> None:
    with autoscaling_cluster(tmp_path / "head.log", {"cpu": {"CPU": 1}}) as address:
        arguments = ("--address", address, "--storage", tmp_path / "runs")
        done = call("run", config(tmp_path, trials=2), *arguments)
    assert done.returncode == 0, done.stderr
    assert without_first_report(done.stderr)[:3] == [
        "waiting for a machine of the cluster with 1 CPU and 1 GPU for a trial",
        "the cluster starts no machine with a GPU: trials run on CPUs",
        "waiting for a machine of the cluster with 1 CPU for a trial",
    ]
    assert "2 trials: 2 completed, 0 stopped early, 0 failed" in done.stderr


def test_a_head_with_cpus_leaves_the_trials_to_the_gpus_that_can_come(tmp_path: Path) -> None:
    """The sweep starts with the cluster, when its autoscaler may not have a report yet."""
    types = {"gpu": {"CPU": 2, "GPU": 1}}
    with autoscaling_cluster(tmp_path / "head.log", types, each=1, head_cpus=2) as address:
        arguments = ("--address", address, "--storage", tmp_path / "runs")
        done = call("run", config(tmp_path, trials=1, meeting=1), *arguments)
        assert done.returncode == 0, done.stderr
        waits = "waiting for a machine of the cluster with 1 CPU and 1 GPU for a trial"
        assert waits in done.stderr.splitlines()
        assert "1 at once with 2 CPU and 1 GPU each" in done.stderr
        halves = config(tmp_path / "halves", trials=2, gpus=0.5)
        done = call("run", halves, *arguments)
    assert done.returncode == 0, done.stderr
    assert "2 at once with 1 CPU and 0.5 GPU each" in done.stderr
