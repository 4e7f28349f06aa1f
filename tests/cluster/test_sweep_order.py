"""`early_terminate.order: sweep` with real processes: timing and deaths change no result."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raysweep import resume_sweep, run_sweep
from raysweep.events import Event, TrialUpdated
from raysweep.sweep.result import SweepResult

from sweeps import digits, runs_by_job, stored

TRAINER = """
import os, signal, time
from pathlib import Path
from random import Random
from raysweep.ml.protocols import EpochMetrics

class Timed:
    '''What an epoch comes to follows from the trial's place; how long it takes, from a lot.'''

    metrics = {"score": "minimize"}

    def __init__(self, *, model, training, validation, seed, device, epochs, lot, place=0,
                 fails=-1, dies=-1, slow=-1, marks=""):
        self.model, self.epochs, self.place, self.lot, self.trained = model, epochs, place, lot, 0
        self.fails, self.dies, self.slow, self.marks = fails, dies, slow, marks

    @property
    def done(self):
        return self.trained >= self.epochs

    def epoch(self):
        time.sleep(0.4 * Random(f"{self.lot} {self.place} {self.trained}").random() ** 3)
        if self.place == self.slow and self.trained == 0:
            time.sleep(4)
        if self.place == self.fails and self.trained == 1:
            raise ValueError("this one fails")
        if self.place == self.dies and self.trained == 1:
            mark = Path(self.marks, "died")
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), 9)
        score = Random(f"10 {self.place} {self.trained}").random()
        self.trained += 1
        yield EpochMetrics(self.trained - 1, self.trained, {"score": score})

    def state_dict(self):
        return {"trained": self.trained}

    def load_state_dict(self, state):
        self.trained = state["trained"]
"""

TRIALS = 10
RULE = {"type": "hyperband", "min_iter": 1, "eta": 2, "strict": True}


@pytest.fixture
def timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the trainer's module."""
    (tmp_path / "timed.py").write_text(TRAINER)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("timed", None)
    importlib.invalidate_caches()
    return tmp_path


def config(cpus: float, lot: int, order: str = "sweep", **own: Any) -> dict[str, Any]:
    sweep = {
        "method": "grid",
        "metric": {"name": "score"},
        "parameters": {"place": {"values": list(range(TRIALS))}},
        "early_terminate": {**RULE, "order": order},
    }
    made = digits(sweep, model={"hidden_layer_sizes": [2, 4]}, data={"train_size": 200})
    made["train"] = {"target": "timed:Timed", "epochs": 5, "lot": lot, **own}
    made["resources"] = {"cpus": cpus, "max_concurrent": max(1, int(2 / cpus))}
    return made


def fate(result: SweepResult) -> tuple[str, list[tuple[Any, ...]]]:
    """Return the winner, and the outcome of each trial."""
    rows = sorted(result.rows, key=lambda row: row.index)
    return result.best.trial, [(row.name, row.state, row.epoch) for row in rows]


def one_at_a_time(folder: Path, **own: Any) -> tuple[str, list[tuple[Any, ...]]]:
    """Run by W&B's rule, one trial at a time, so that timing has no effect."""
    made = config(2, 0, order="arrival", **own)
    return fate(run_sweep(made, name="alone", storage=folder / "alone"))


def test_the_same_are_stopped_on_any_number_of_workers(two_cpus: None, timed: Path) -> None:
    expected = one_at_a_time(timed)
    stopped_at = {epochs for _, state, epochs in expected[1] if state == "stopped"}
    assert stopped_at == {1, 2, 4}, "trials are stopped at every bracket"
    for cpus, lot in ((2, 1), (1, 2), (0.25, 3)):
        name = f"lot-{lot}"
        assert fate(run_sweep(config(cpus, lot), name=name, storage=timed / "runs")) == expected


def test_a_trial_that_fails_and_one_that_dies_change_nothing(two_cpus: None, timed: Path) -> None:
    expected = one_at_a_time(timed, fails=1)
    assert expected[1][1] == ("trial-0001", "failed", 1)
    made = config(0.25, 4, fails=1, dies=0, marks=str(timed))
    assert fate(run_sweep(made, name="deadly", storage=timed / "runs")) == expected
    assert (timed / "died").exists()


def test_those_that_wait_for_a_slow_trial_give_their_workers_to_others(
    two_cpus: None, timed: Path
) -> None:
    told: list[tuple[str, int]] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated):
            told.append((event.name, event.epoch))

    result = run_sweep(config(1, 5, slow=0), name="slow", storage=timed / "runs", observer=watch)
    assert fate(result) == one_at_a_time(timed)
    before = told[: told.index(("trial-0000", 1))]
    assert {name for name, epoch in before if epoch == 1} >= {"trial-0001", "trial-0002"}
    tracker = stored(timed / "runs").tracker()
    runs = runs_by_job(tracker, "slow")["train"]
    assert {(run.state, run.error) for run in runs} == {("finished", None)}
    assert {len(run.logged) for run in runs} == {1}, "each has logged its model, once"
    for run, row in zip(sorted(runs, key=lambda run: run.name), result.rows, strict=True):
        epochs = [each["epoch"] for each in tracker.history(run.id) if "score" in each]
        assert epochs == list(range(row.epoch)), "and each epoch once"
    tracker.close()


SCRIPT = """
import json, os, sys
from raysweep import run_sweep

class Killed:
    left = int(sys.argv[3])
    def __call__(self, event):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), 9)

run_sweep(json.loads(sys.argv[1]), name="killed", storage=sys.argv[2], observer=Killed())
"""


def test_a_driver_that_is_killed_changes_nothing(two_cpus: None, timed: Path) -> None:
    expected = one_at_a_time(timed)
    made = json.dumps(config(0.5, 5))
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, made, timed / "runs", "26"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert fate(resume_sweep("killed", storage=timed / "runs")) == expected
