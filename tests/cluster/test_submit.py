"""Submit a sweep to a real job server: what is sent, what comes back, and how to detach."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from raysweep.version import __version__

from commands import environment
from ray_head import NO_JOBS, job_server, python_with_jobs
from sweeps import digits, grid, stored

PACKAGE = """
import sys
import raysweep
from torch import nn

print(f"raysweep is {raysweep.__file__}", file=sys.stderr)

def linear(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
"""


@dataclass(frozen=True)
class Cluster:
    """A head with a job server, and a user's folder that stands for another machine."""

    address: str
    python: Path
    home: Path
    laptop: Path
    packages: Path
    """The folder in which Ray's machines unpack what they are sent."""

    def submit(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        command = [self.python, "-m", "raysweep", "submit", *arguments, "--address", self.address]
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=self.laptop,
            env=environment(RAY_ADDRESS="127.0.0.1:1"),  # Ray's client would rather go there
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hinted(self, line: str) -> subprocess.CompletedProcess[str]:
        """The `ray` command that the line tells, as typed."""
        program, *arguments = shlex.split(line.partition(": ")[2])
        assert program == "ray"
        command = [str(self.python), "-m", "ray.scripts.scripts", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    python = python_with_jobs()
    if python is None:
        pytest.skip(NO_JOBS)
    temp = tmp_path_factory.mktemp("submit")
    home, laptop = temp / "home", temp / "lap top"
    home.mkdir()
    fill(laptop)
    with job_server(temp / "head.log", python, home) as (address, session):
        yield Cluster(address, python, home, laptop, session.resolve() / "runtime_resources")


def fill(laptop: Path) -> None:
    """Make a package with files that must not be sent, a sweep that uses it, and a plain sweep."""
    package = laptop / "own_net"
    for folder in (".git", ".venv", "__pycache__", "env", "data", "runs/old"):
        (package / folder).mkdir(parents=True)
        (package / folder / "large").write_text("x")
    (package / "env" / "pyvenv.cfg").touch()
    (package / "runs" / "old" / "sweep.json").write_text("{}")
    (package / "__init__.py").write_text(PACKAGE)
    (package / "labels.txt").write_text("what a package may read")
    (laptop / "private.txt").write_text("beside the config")
    sweep = digits(grid(learning_rate=[0.01]), train={"epochs": 1})
    own = {"model": {"target": "own_net:linear"}, "storage": str(laptop / "own_net" / "runs")}
    (laptop / "own.yaml").write_text(yaml.safe_dump({**sweep, **own}))
    (laptop / "plain.yaml").write_text(yaml.safe_dump(sweep))


@pytest.fixture(scope="module")
def first(cluster: Cluster) -> subprocess.CompletedProcess[str]:
    data = ("--set", f"data.root='{cluster.laptop / 'own_net' / 'data'}'")
    storage = ("--storage", cluster.home / "sweeps")
    more = ("--fail-fast", "--report")
    return cluster.submit("own.yaml", "--name", "first", "--json", *storage, *data, *more)


def test_it_runs_there_and_ends_here_as_run_does(
    cluster: Cluster, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("\n") == 1
    folder = cluster.home / "sweeps" / "first"
    assert json.loads(first.stdout) == json.loads((folder / "result.json").read_text())
    lines = first.stderr.splitlines()
    assert f"it will be kept in {folder} on the cluster's head machine" in first.stderr
    assert any(line.startswith("initialize  linear:v0") for line in lines)
    assert any(line.startswith("trial-0000  completed epoch 1/1") for line in lines)
    assert lines[-1] == f"kept in {folder} on the cluster's head machine"
    assert f"report: {folder / 'report.html'}" in lines
    assert (folder / "report.html").stat().st_size > 1_000_000
    assert "INFO" not in first.stderr, "Ray's own words"
    assert "raysweep-result" not in first.stderr


def test_only_the_config_raysweep_and_the_users_module_are_sent(
    cluster: Cluster, first: subprocess.CompletedProcess[str]
) -> None:
    sent = [path for path in cluster.packages.glob("working_dir_files/*") if path.is_dir()]
    (folder,) = sent
    info = f"raysweep-{__version__}.dist-info"
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "raysweep", info, "own_net"}
    own = {path.name for path in (folder / "own_net").iterdir()} - {"__pycache__"}  # made there
    assert own == {"__init__.py", "labels.txt"}
    assert (folder / "raysweep" / "py.typed").is_file()
    shipped = {path.suffix for path in (folder / "raysweep").rglob("*") if path.is_file()}
    assert shipped <= {".py", ".pyc", ".typed", ".css", ".html", ".js"}
    used = re.findall(r"^raysweep is (.+)$", first.stderr, flags=re.MULTILINE)
    assert str(folder / "raysweep" / "__init__.py") in used


def test_an_error_on_the_cluster_ends_with_the_jobs_exit_code(
    cluster: Cluster, first: subprocess.CompletedProcess[str]
) -> None:
    answer = cluster.submit(
        *("plain.yaml", "--name", "first", "--json", "--storage", cluster.home / "sweeps")
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    said, ended = answer.stderr.splitlines()[-2:]
    taken = f"raysweep: --name first: {cluster.home}/sweeps/first exists; choose another name, or,"
    resume = f"python -m raysweep resume first --storage {cluster.home}/sweeps"
    assert said == f"{taken} if it is a sweep, resume it: {resume}"
    assert re.fullmatch(r"raysweep: job first-\w{4} ended with exit code 2; .+ above", ended)


def test_ctrl_c_detaches_and_the_hints_are_true(cluster: Cluster) -> None:
    settings = ("--set", "train.epochs=100000", "--name", "long")
    with cluster.start("plain.yaml", *settings, "--storage", "~/elsewhere") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("trial-0000  running   epoch 1/"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) == 130
    *_, follow, stop, fetch, last = rest.splitlines()
    assert re.fullmatch(r"raysweep: detached; job long-\w{4} continues", last)
    record = stored(cluster.home / "elsewhere", "long")
    assert record.folder.result() is None
    stopped = cluster.hinted(stop)
    assert "was stopped" in stopped.stdout + stopped.stderr
    assert "trial-0000  running   epoch 2/" in cluster.hinted(follow).stdout
    tracker = record.tracker()
    assert {run.state for run in tracker.runs("long")}.isdisjoint({"running"}), "closed, not killed"
    tracker.close()
    assert "cat ~/elsewhere/long/result.json" in fetch


def test_without_waiting_it_prints_where_the_results_will_be(
    cluster: Cluster, first: subprocess.CompletedProcess[str]
) -> None:
    arguments = ("plain.yaml", "--name", "first", "--no-wait", "--json")
    answer = cluster.submit(*arguments, "--storage", "~/sweeps")
    said: dict[str, Any] = json.loads(answer.stdout)
    job = said.pop("job")
    assert said == {"sweep": "first", "storage": "~/sweeps", "address": cluster.address}
    follow, stop, fetch = answer.stderr.splitlines()[-3:]
    assert job in follow
    assert job in stop
    there = shlex.split(fetch.partition(" -- ")[2])  # as a job of the cluster would do it
    fetched = subprocess.check_output(there, env={"HOME": str(cluster.home)}, text=True)
    assert json.loads(fetched) == json.loads(first.stdout)
