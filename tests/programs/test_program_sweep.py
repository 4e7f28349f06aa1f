"""Whole sweeps of a program on Ray: parallel trials, early stopping, artifacts, kills, resume."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest

from commands import call, start
from running_sweep import Sweep
from sweeps import stored

SWEEP = """
program: train.py
method: grid
metric: {name: loss, goal: minimize}
early_terminate: {type: hyperband, min_iter: 2, eta: 2}
parameters:
  lr: {values: [3, 2, 1, 50]}
"""

TRAIN = """
import os, pathlib, time, wandb

with wandb.init(config={"rows": 6}) as run:
    data = wandb.Artifact("data", type="dataset")
    with data.new_file("numbers.txt") as file:
        file.write("1 2 3")
    run.log_artifact(data, aliases=["small"]).wait()
    used = run.use_artifact("data:small")
    for i in range(run.config.rows):
        run.log({"loss": run.config.lr / (i + 1), "word": "x"})
        time.sleep(float(os.environ.get("ROW_S", "0.5")))
    pathlib.Path("model.pth").write_text(str(run.config.lr))
    model = wandb.Artifact("net", type="model")
    model.add_file("model.pth")
    run.log_artifact(model)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder."""
    made: Path = tmp_path_factory.mktemp("user's folder")
    (made / "sweep.yaml").write_text(SWEEP)
    (made / "train.py").write_text(TRAIN)
    return made


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    storage = tmp_path_factory.mktemp("storage")
    done = call(
        *("run", "sweep.yaml", "--name", "climb", "--storage", storage, "--json"),
        *("--set", "resources.cpus=1"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    yield {**json.loads(done.stdout), "stderr": done.stderr, "storage": storage}


def test_a_sweep_of_a_program_has_its_best(result, folder):
    trials = result["trials"]
    assert trials["total"] == 4
    assert trials["failed"] == 0
    assert trials["completed"] + trials["stopped"] == 4
    assert trials["stopped"] >= 1  # 50 begins when others have passed the bracket
    assert result["best"]["trial"] == "trial-0002"
    assert result["best"]["metrics"]["loss"] == pytest.approx(1 / 6)
    assert sorted(path.name for path in folder.iterdir()) == ["sweep.yaml", "train.py"]


def test_its_artifacts_have_lineage_and_aliases(result):
    tracker = stored(result["storage"], "climb").tracker()
    best = tracker.artifact("net:best")
    assert {"best", "best-climb"} <= set(best.aliases)
    assert result["best"]["artifact"] == best.ref
    assert result["artifacts"] == {"data": "v0"}
    edges = set(tracker.lineage("data:v0").edges)
    assert len([to for source, to in edges if source == "artifact:data:v0"]) == 4


def test_its_rows_are_counted_as_the_program_logged_them(result):
    rows = [line for line in result["stderr"].splitlines() if line.startswith("trial-0002")]
    assert any(" row 6" in line or " 6 " in line for line in rows), result["stderr"]
    assert not any(" row 7" in line for line in rows)


@pytest.mark.parametrize("how", ["kill -9", "Ctrl-C"])
def test_an_interrupted_sweep_leaves_no_process_and_resumes(folder, tmp_path, how):
    process = start(
        *("run", "sweep.yaml", "--name", "cut", "--storage", tmp_path, "--set", "resources.cpus=1"),
        cwd=folder,
        new_session=True,
        ROW_S="1",
    )
    sweep = Sweep("cut", tmp_path, process)
    try:
        sweep.wait_for("trial-0000  running")
        time.sleep(1)
        sweep.look()
        if how == "kill -9":
            process.kill()
        else:
            process.send_signal(SIGINT)
        sweep.end()
        assert sweep.leaves() == []
    finally:
        sweep.clear_away()
    done = call("resume", "cut", "--storage", tmp_path, "--json", cwd=folder, ROW_S="0.1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["trials"]["total"] == 4
    assert found["best"]["trial"] == "trial-0002"
    tracker = stored(tmp_path, "cut").tracker()
    for run in tracker.runs("cut"):
        steps = [row["step"] for row in tracker.history(run.id)]
        assert steps == sorted(set(steps))
