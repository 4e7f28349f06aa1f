"""Sweeps of custom code: the names it may use, what it may return and raise, and the messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raysweep import run_sweep
from raysweep.errors import SweepFailed
from raysweep.storage.journal import read_journal
from raysweep.sweep.result import SweepResult

from sweeps import HAS_LOCAL_MODE, grid, runs_by_job, stored

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray"),
]

CODE = """
import sys
import torch
from torch import nn
from raysweep.ml.protocols import Evaluation, Split, Splits
from raysweep.ml.training import Trainer

def split(n, shape, dtype):
    y = torch.arange(n) % 3
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(n))
    x = x + y.view(-1, *(1 for _ in shape))
    return Split(x.to(dtype), y.to(torch.uint8))

def table(shape: list[int] = [8], dtype: str = "float32"):
    return Splits(*(split(n, shape, getattr(torch, dtype)) for n in (96, 48, 48)))

def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))

def lazy():
    return nn.Sequential(nn.LazyConv3d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))

class Leaving(Trainer):
    def loss(self, output, y):
        if self.label_smoothing > 0.05 and self.epochs_done:
            sys.exit("smoothed too much")
        return super().loss(output, y)

class Scored(Trainer):
    metrics = {name: "minimize" for name in (
        "train/loss", "done", "failed", "report", "config", "trial", "best", "epochs", "timestamp",
        "training_iteration", "storage", "pid", "state", "score", "best_score", "trial_id",
        "label_smoothing")}
    def scores(self, output, y):
        return dict.fromkeys(self.metrics, 100 * self.label_smoothing)

class Early(Trainer):
    @property
    def done(self):
        return self.epochs_done == 2

def leaves(model, test, device):
    sys.exit("no scores")
"""


@pytest.fixture(autouse=True)
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_sweep.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield
    sys.modules.pop("own_sweep", None)


def swept(storage: Path, trainer: str | None = None, **sections: Any) -> SweepResult:
    """Run a sweep of two label smoothings, three epochs each."""
    train: dict[str, Any] = {"epochs": 3, "batch_size": 48, "learning_rate": 0.01}
    if trainer:
        train["target"] = f"own_sweep:{trainer}"
    config = {
        "data": {"target": "own_sweep:table"},
        "model": {"target": "own_sweep:mlp"},
        "train": train,
        "resources": {"cpus": 1, "max_concurrent": 1},
        "sweep": grid(label_smoothing=[0.0, 0.1]),
    }
    return run_sweep({**config, **sections}, name="mine", storage=storage)


def test_code_that_exits_fails_its_trial_once(tmp_path: Path) -> None:
    result = swept(tmp_path, "Leaving")
    said = "SystemExit: smoothed too much (own_sweep.py:26 in loss)"
    assert [row.error for row in result.rows] == [None, said]
    assert [(row.epoch, row.restarts) for row in result.rows] == [(3, 0), (1, 0)]
    assert [each["error"] for each in read_journal(stored(tmp_path).folder.journal)
            if each["event"] == "ended"] == [None, said]  # fmt: skip
    tracker = stored(tmp_path).tracker()
    assert [run.error for run in runs_by_job(tracker, "mine")["train"]] == [None, said]


@pytest.mark.parametrize("name", ["done", "failed", "report", "trial", "state", "best_score"])
def test_a_metric_may_have_a_name_of_tunes_or_raysweeps(tmp_path: Path, name: str) -> None:
    sweep = grid(label_smoothing=[0.0, 0.1, 0.2])
    sweep |= {
        "metric": {"name": name},
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 3},
    }
    result = swept(tmp_path, "Scored", sweep=sweep)
    assert [row.state for row in result.rows] == ["completed", "stopped", "stopped"]
    assert result.best.metrics[name] == 0 and result.to_json()["best"]["metrics"][name] == 0
    board = result.leaderboard
    assert list(board["trial"]) == ["trial-0000", "trial-0001", "trial-0002"]
    assert list(board["state"]) == ["completed", "stopped", "stopped"]
    assert list(board["label_smoothing"]) == [0.0, 0.1, 0.2]
    shown = name if name not in ("trial", "state") else f"metrics/{name}"
    assert list(board[shown]) == list(board["metrics/label_smoothing"]) == [0, 10, 20]
    tracker = stored(tmp_path).tracker()
    runs = runs_by_job(tracker, "mine")["train"]
    assert [run.summary[name] for run in runs] == [0, 10, 20]


def test_a_trainer_that_is_done_early_is_completed_everywhere(tmp_path: Path) -> None:
    result = swept(tmp_path, "Early")
    assert (result.trials.completed, result.trials.stopped) == (2, 0)
    assert list(result.leaderboard["state"]) == ["completed", "completed"]
    ended = [e for e in read_journal(stored(tmp_path).folder.journal) if e["event"] == "ended"]
    assert [each["state"] for each in ended] == ["completed", "completed"]
    tracker = stored(tmp_path).tracker()
    assert [run.summary["stopped"] for run in runs_by_job(tracker, "mine")["train"]] == [False] * 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_data_of_any_floating_point_format_is_trained_on_and_scored(
    tmp_path: Path, dtype: str, precision: str
) -> None:
    data = {"target": "own_sweep:table", "dtype": dtype}
    result = swept(tmp_path, data=data, train={"epochs": 1, "precision": precision})
    assert result.trials.completed == 2
    assert 0 < result.test.loss < 5


def test_lazy_modules_and_volumes(tmp_path: Path) -> None:
    data = {"target": "own_sweep:table", "shape": [1, 6, 6, 6]}
    result = swept(tmp_path, data=data, model={"target": "own_sweep:lazy"})
    assert result.trials.completed == 2
    tracker = stored(tmp_path).tracker()
    (run,) = runs_by_job(tracker, "mine")["initialize"]
    assert run.used == ("table-preprocess:v0",)


def test_an_evaluation_that_exits_says_where(tmp_path: Path) -> None:
    says = r"evaluate.target own_sweep:leaves: raised SystemExit: no scores \(own_sweep.py:\d+ in"
    with pytest.raises(SweepFailed, match=says) as caught:
        swept(tmp_path, evaluate={"target": "own_sweep:leaves"})
    assert isinstance(caught.value.__cause__, SystemExit)
    assert "in leaves" in str(caught.value.traceback), "its process's traceback"
    tracker = stored(tmp_path).tracker()
    (run,) = runs_by_job(tracker, "mine")["report"]
    assert run.state == "failed" and "in leaves)" in str(run.error)
