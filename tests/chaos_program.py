"""A sweep of a program for rounds of chaos, and what must hold when it has ended."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from family import GONE_S, Process, still_alive
from sweeps import stored

TARGETS = ("writer", "program", "driver", "supervisor", "trial")

VALUES = [3, 1, 2]
"""The learning rate of each trial. The second one wins."""

SWEEP = """
program: {directory: %s}
resources: {cpus: 1}
sweep:
  program: train.py
  method: grid
  metric: {name: loss, goal: minimize}
  parameters: {lr: {values: %s}}
"""

TRAIN = """
import pathlib, time, wandb

with wandb.init() as run:
    for row in range(1, 5):
        run.log({"loss": run.config.lr / row})
        time.sleep(0.2)
    for name in ("notes.txt", "weights.txt"):
        pathlib.Path(name).write_text(f"lr {run.config.lr}")
    run.save("notes.txt")
    model = wandb.Artifact("net", type="model")
    model.add_file("weights.txt")
    run.log_artifact(model)
"""

FILES = {
    *("best", "config.yaml", "config.given.yaml", "journal.jsonl", "logs", "result.json"),
    *("sweep.json", "trials"),
}
"""All that a sweep's folder may hold in the end."""


def write(folder: Path, trials: int = 2) -> Path:
    """Write the program and its config into a folder of their own. Return the config."""
    users = folder / "user's folder"
    users.mkdir()
    (users / "train.py").write_text(TRAIN)
    config = folder / "programs.yaml"
    config.write_text(SWEEP % (json.dumps(str(users)), VALUES[:trials]))
    return config


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A TMPDIR whose path is short: Ray's sockets are below it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        yield Path(made)


def targets_of(seed: int, trials: int) -> list[str]:
    """Choose what to kill: two in turn, and with a third trial a third by lot."""
    chosen = [TARGETS[2 * seed % len(TARGETS)], TARGETS[(2 * seed + 1) % len(TARGETS)]]
    return [*chosen, *random.Random(f"targets {seed}").choices(TARGETS, k=trials - 2)]


def assert_whole(storage: Path, name: str, story: str = "", *, trials: int = 2) -> None:
    """Each trial is there once, with all that it logged; the winner is tagged."""
    sweep = storage / name
    result = json.loads((sweep / "result.json").read_text())
    counts = {"total": trials, "completed": trials, "stopped": 0, "failed": 0}
    assert result["trials"] == counts, story
    best = result["best"]
    assert (best["trial"], best["metrics"]["loss"]) == ("trial-0001", 0.25), story
    with closing(stored(storage, name).tracker()) as tracker:
        runs = sorted(tracker.runs(), key=lambda run: run.id)
        assert [run.config["lr"] for run in runs] == VALUES[:trials], story
        assert {(run.state, run.error) for run in runs} == {("finished", None)}, story
        for run in runs:
            rows = [(row["step"], row["loss"]) for row in tracker.history(run.id)]
            assert rows == [(i, run.config["lr"] / (i + 1)) for i in range(4)], story
            (saved,) = [f for f in tracker.store.files(run.id) if f.path == "notes.txt"]
            text = Path(tracker.store.blob_path(saved.digest)).read_text()
            assert text == f"lr {run.config['lr']}", story
        logged = [ref for run in runs for ref in run.logged]
        assert sorted(logged) == [f"net:v{i}" for i in range(trials)], story
        tagged = {ref: set(tracker.artifact(ref).aliases) - {"latest"} for ref in logged}
        assert tagged.pop(logged[1]) == {"best", f"best-{name}"}, story
        assert not any(tagged.values()), story
        assert tracker.artifact("net:best").ref == best["artifact"]
    assert {path.name for path in sweep.iterdir()} <= FILES, story
    folders = {path.name for path in sweep.glob("trials/*")}
    assert folders <= {f"trial-{i:04}" for i in range(trials)}, story


def assert_nothing_left(temporary: Path, before: set[str], story: str) -> None:
    """No process of a program, and no folder in TMPDIR that was not there before."""
    assert still_alive(of_programs(temporary)) == [], story
    until = time.monotonic() + GONE_S  # a process that ends removes its folder
    while (left := left_in(temporary) - before) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left, f"{left}: {story}"


def left_in(temporary: Path) -> set[str]:
    """What raysweep has left in TMPDIR, besides a lock's folder. A killed program's libraries leave
    theirs: W&B's client two empty folders."""
    names = {path.name for path in temporary.glob("raysweep*")}
    return names - {f"raysweep-{os.getuid()}"}


def of_programs(temporary: Path) -> set[Process]:
    """Supervisors, programs, and what they started, whatever their parent is by now."""
    mark, found = f"\0TMPDIR={temporary}\0".encode(), set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = b"\0" + (folder / "environ").read_bytes()
        except OSError:  # it has ended meanwhile, or is another user's
            continue
        process = Process.of(int(folder.name)) if mark in environ else None
        if process and any(word in process.title for word in PROGRAMS):
            found.add(process)
    return found


PROGRAMS = ("/supervisor.py ", "train.py", "wandb-core", "gpu_stats")
