"""A sweep of a program on machines that share no file system: the user's folder travels to each
once, rows, files and artifacts come back, and nothing is left.

First it is run on the head, then handed over from outside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ray_head import NO_JOBS, python_with_jobs
from sweeps import stored
from two_nodes import JOBS, Cluster, Machine, two_nodes

pytestmark = pytest.mark.timeout(400)  # three raylets

SWEEP = """
program: train.py
method: grid
metric: {name: loss, goal: minimize}
parameters:
  lr: {values: [4, 3, 2, 1]}
"""

TRAIN = """
import json, os, pathlib, subprocess, time
import wandb
from helpers.scale import scale

def on_both_nodes():  # else the first is often done with all trials before the second is up
    meeting = pathlib.Path("/dev/shm") / pathlib.Path("meeting.txt").read_text()
    meeting.mkdir(exist_ok=True)
    (meeting / pathlib.Path(os.environ["HOME"], "..").stat().st_dev.__str__()).touch()
    while len(list(meeting.iterdir())) < 2:
        time.sleep(0.1)

with wandb.init() as run:
    on_both_nodes()
    here = pathlib.Path("data").resolve()
    note = {"data": str(here), "inode": here.stat().st_ino, "link": os.readlink("data/first.csv"),
            "home": os.stat(os.environ["HOME"]).st_dev, "secret": os.path.exists("secret.bin"),
            "said": subprocess.run(["./say.sh"], capture_output=True, text=True).stdout,
            "threads": os.environ["OMP_NUM_THREADS"]}
    rows = pathlib.Path("data/first.csv").read_text().split()
    for row in rows:
        run.log({"loss": run.config.lr * scale(float(row))})
    pathlib.Path("note.json").write_text(json.dumps(note))
    run.save("note.json")
    pathlib.Path("model.pth").write_text(str(run.config.lr))
    model = wandb.Artifact("net", type="model")
    model.add_file("model.pth")
    run.log_artifact(model)
    print("trained with", run.config.lr)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with two_nodes(jobs=python_with_jobs()) as made:
        yield made


def written(folder: Path, meeting: str) -> Path:
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "scale.py").write_text("def scale(x):\n    return x / 2\n")
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_text("3 2 1")
    (folder / "data" / "first.csv").symlink_to("rows.csv")
    (folder / "say.sh").write_text("#!/bin/sh\necho it runs\n")
    (folder / "say.sh").chmod(0o755)
    (folder / "secret.bin").write_text("x")
    (folder / "meeting.txt").write_text(meeting)
    (folder / ".raysweepignore").write_text("*.bin\n")
    (folder / "sweep.yaml").write_text(SWEEP)
    (folder / "train.py").write_text(TRAIN)
    return folder


def left_of_sweeps(machine: Machine) -> list[str]:
    """Everything on the machine that is raysweep's, the program's or the client's; what Ray keeps
    apart."""
    names = ("raysweep*", "runs", "helpers", "train.py", "wandb", "trial-*")
    found = [str(path) for name in names for path in machine.folder().rglob(name)]
    return [path for path in found if "/runtime_resources/" not in path]


def assert_whole(result: dict[str, Any], storage: Path) -> None:
    """All trials ran, on both nodes, each of which had the folder once; all came back."""
    assert result["trials"] == {"total": 4, "completed": 4, "stopped": 0, "failed": 0}
    assert result["best"]["trial"] == "trial-0003"
    assert result["best"]["metrics"]["loss"] == 0.5
    tracker = stored(storage, result["sweep"]).tracker()
    try:
        notes = []
        for index in range(4):
            (run,) = [
                r for r in tracker.runs(result["sweep"]) if r.id.endswith(f"trial-000{index}")
            ]
            rows = [row["loss"] for row in tracker.history(run.id) if "loss" in row]
            assert rows == [(4 - index) * x / 2 for x in (3, 2, 1)]
            (saved,) = [file for file in tracker.store.files(run.id) if file.path == "note.json"]
            notes.append(json.loads(Path(tracker.store.blob_path(saved.digest)).read_text()))
        best = tracker.artifact("net:best")
        assert best.producer.endswith("trial-0003")
        assert {file.path for file in best.files} >= {"model.pth"}
    finally:
        tracker.close()
    assert len({note["home"] for note in notes}) == 2, "both nodes had trials"
    for home in {note["home"] for note in notes}:
        of_node = [note for note in notes if note["home"] == home]
        assert len({(note["data"], note["inode"]) for note in of_node}) == 1
    for note in notes:
        assert note["link"] == "rows.csv"
        assert note["said"] == "it runs\n"
        assert note["threads"] == "1"
        assert not note["secret"]
    for index in range(4):
        log = (storage / result["sweep"] / "logs" / f"trial-000{index}.log").read_text()
        assert f"trained with {4 - index}" in log


def test_the_folder_travels_and_what_is_logged_comes_back(cluster: Cluster) -> None:
    folder = written(cluster.base / "laptop", f"meeting-{os.getpid()}-run")
    before = sorted(folder.rglob("*"))
    command = ["run", "sweep.yaml", "--address", cluster.address, "--name", "spread", "--json"]
    done = subprocess.run(
        cluster.head.inside(
            *("env", "--chdir", folder, sys.executable, "-m", "raysweep", *command),
            *("--storage", cluster.base / "runs", "--set", "resources.cpus=1"),
        ),
        env=cluster.env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert_whole(json.loads(done.stdout), cluster.base / "runs")
    assert [left_of_sweeps(worker) for worker in cluster.workers] == [[], []]
    assert sorted(folder.rglob("*")) == before


def test_a_sweep_from_outside_brings_its_folder(cluster: Cluster) -> None:
    if python_with_jobs() is None:
        pytest.skip(NO_JOBS)
    folder = written(cluster.outside / "laptop", f"meeting-{os.getpid()}-submit")
    home = cluster.outside / "home"
    home.mkdir()
    command = [python_with_jobs(), "-m", "raysweep", "submit", "sweep.yaml", "--name", "sent"]
    done = subprocess.run(
        cluster.from_outside(*command, "--set", "resources.cpus=1", "--address", JOBS, "--json"),
        cwd=folder,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert_whole(json.loads(done.stdout), cluster.base / "home" / "raysweep" / "runs")
    assert [left_of_sweeps(worker) for worker in cluster.workers] == [[], []]
