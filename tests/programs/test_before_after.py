"""Sweeps with programs before and after the trials: artifacts, reuse, failures, Ctrl-C."""

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

CONFIG = """
sweep:
  program: train.py
  method: grid
  metric: {name: loss}
  parameters: {lr: {values: [2, 1]}}
program:
  before: [load.py, [split.py, "3"]]
  after: report.py
resources: {cpus: 1}
"""

LOAD = """
import os, time, wandb
with wandb.init(job_type="load-data") as run:
    print("begun", flush=True)
    time.sleep(float(os.environ.get("LOAD_S", "0")))
    raw = wandb.Artifact("raw", type="dataset")
    with raw.new_file("numbers.txt") as file:
        file.write("1 2 3 4")
    run.log_artifact(raw)
"""

SPLIT = """
import pathlib, sys, wandb
with wandb.init() as run:
    numbers = pathlib.Path(run.use_artifact("raw:latest").download(), "numbers.txt").read_text()
    for name, part in {"few": numbers.split()[:int(sys.argv[1])], "rest": []}.items():
        made = wandb.Artifact(name, type="dataset", metadata={"count": len(part)})
        with made.new_file("numbers.txt") as file:
            file.write(" ".join(part))
        run.log_artifact(made).wait()  # else the client sends the two side by side
"""

TRAIN = """
import wandb
with wandb.init() as run:
    run.use_artifact("few:latest")
    run.log({"loss": run.config.lr})
    for n, name in enumerate(("encoder", "decoder", "decoder")):
        net = wandb.Artifact(name, type="model", metadata={"lr": run.config.lr, "n": n})
        with net.new_file(f"{name}.txt") as file:
            file.write(f"{run.config.lr} {n}")
        run.log_artifact(net).wait()
"""

REPORT = """
import wandb
with wandb.init() as run:
    best = run.use_artifact("encoder:best")
    run.summary.update({"loss": best.metadata["lr"] * 10, "text": "fine"})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder."""
    made: Path = tmp_path_factory.mktemp("user's folder")
    files = {"load": LOAD, "split": SPLIT, "train": TRAIN, "report": REPORT}
    for name, text in files.items():
        (made / f"{name}.py").write_text(text)
    (made / "config.yaml").write_text(CONFIG)
    return made


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A sweep that Ctrl-C ended in its first program, and that was resumed."""
    storage = tmp_path_factory.mktemp("storage")
    process = start(
        *("run", "config.yaml", "--name", "first", "--storage", storage),
        cwd=folder,
        new_session=True,
        LOAD_S="60",
    )
    sweep = Sweep("first", storage, process)
    try:
        until = time.monotonic() + 60
        log = storage / "first" / "logs" / "load.log"
        while not (log.exists() and "begun" in log.read_text()):
            assert time.monotonic() < until
            time.sleep(0.1)
        sweep.look()
        process.send_signal(SIGINT)
        sweep.end()
        left = sweep.leaves()
    finally:
        sweep.clear_away()
    done = call("resume", "first", "--storage", storage, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    yield {**json.loads(done.stdout), "stderr": done.stderr, "storage": storage, "left": left}


def test_an_interrupted_program_leaves_no_process_and_resumes(result):
    assert result["left"] == []
    tracker = stored(result["storage"], "first").tracker()
    assert [run.state for run in tracker.runs("first")] == ["finished"] * 5


def test_all_steps_are_one_graph(result):
    assert result["best"]["config"] == {"lr": 1}
    assert result["test"] == {"loss": 10}
    assert result["artifacts"] == {"raw": "v0", "few": "v0"}
    assert result["cached_stages"] == []
    tracker = stored(result["storage"], "first").tracker()
    jobs = {run.job_type: run for run in tracker.runs("first")}
    assert jobs["load-data"].logged == ("raw:v0",)
    assert jobs["split"].used == ("raw:v0",)
    assert jobs["split"].logged == ("few:v0", "rest:v0")
    assert jobs["report"].used == (tracker.artifact("encoder:best").ref,)
    nodes = {node.id for node in tracker.lineage("raw:v0").nodes}
    assert {f"run:{run.id}" for run in tracker.runs("first")} <= nodes


def test_each_of_the_winners_models_is_best_and_downloaded(result, folder, tmp_path):
    tracker = stored(result["storage"], "first").tracker()
    tagged = {version.ref: version for version in tracker.store.versions() if version.aliases}
    for name in ("encoder", "decoder"):
        best = tracker.artifact(f"{name}:best")
        assert {"best", "best-first"} <= set(tagged[best.ref].aliases)
        assert best.metadata["lr"] == 1
        assert f"best is {best.ref}" in result["promotion"]
    assert tracker.artifact("decoder:best").metadata["n"] == 2  # the last of that name
    done = call("best", "--storage", result["storage"], "--download", tmp_path / "mine", cwd=folder)
    assert done.returncode == 0, done.stderr
    for name in ("encoder", "decoder"):
        assert (tmp_path / "mine" / name / f"{name}.txt").read_text() in ("1 0", "1 2")


def test_the_second_run_reuses_what_has_not_changed(result, folder):
    storage = result["storage"]
    (folder / "report.py").write_text(REPORT + "    raise ValueError('no paper')\n")
    planned = call("plan", "config.yaml", "--storage", storage, "--json", cwd=folder)
    stages = json.loads(planned.stdout)["stages"]
    assert [stage["ref"] for stage in stages] == ["raw:v0", "few:v0, rest:v0"]
    assert json.loads(planned.stdout)["space"][0]["target"] is None  # it sets no field of ours
    failed = call(
        *("run", "config.yaml", "--name", "second", "--storage", storage),
        *("--count", "1"),
        cwd=folder,
    )
    assert failed.returncode == 1
    assert "load        raw:v0                   reused" in failed.stderr
    assert "split       few:v0 and 1 more        reused" in failed.stderr
    assert "ValueError: no paper (report.py:6)" in failed.stderr
    assert "resume second" in failed.stderr
    assert "running report.py on decoder:v" in failed.stderr
    (folder / "report.py").write_text(REPORT)
    done = call("resume", "second", "--storage", storage, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    shown = call("show", "second", "--storage", storage, cwd=folder)
    assert "test: loss 20 (by report.py, as run report-second)" in shown.stdout
    assert "made of: raw:v0 (reused), few:v0 (reused), rest:v0 (reused)" in shown.stdout
    found = json.loads(done.stdout)
    assert found["cached_stages"] == ["load", "split"]
    assert found["test"] == {"loss": 20}
