"""A sweep of earlier from Python: listed, its result read again, its model used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

import raysweep

from commands import raysweep as command
from sweeps import IMPOSSIBLE, digits, grid, one_process
from told_sweep import ACCURACY, ToldSweep, boom


def test_a_sweep_of_last_week(tmp_path: Path) -> None:
    config = digits(
        {**grid(learning_rate=[0.01, 0.001], model__hidden_layer_sizes=[[8, 16], IMPOSSIBLE])}
    )
    with one_process():
        ran = raysweep.run_sweep(config, storage=tmp_path, name="mine")
    loaded = raysweep.load_result("mine", storage=tmp_path)
    assert loaded == replace(ran, wall_s=round(ran.wall_s, 3))
    assert loaded.rows == ran.rows
    assert loaded.leaderboard.equals(ran.leaderboard)
    histories = loaded.histories
    assert histories.equals(ran.histories)
    assert list(histories.columns[:3]) == ["trial", "epoch", "step"]
    assert histories.groupby("trial").size().to_dict() == {"trial-0000": 2, "trial-0002": 2}
    best = histories[histories.trial == ran.best.trial]["validation/accuracy"].max()
    assert best == ran.best.metrics["validation/accuracy"]
    assert [each.trial for each in loaded.failures] == ["trial-0001", "trial-0003"]
    assert "Traceback" in (loaded.failures[0].traceback or "")

    assert repr(loaded).startswith("SweepResult('mine': 4 trials (2 completed, 0 stopped early, 2")
    page = loaded._repr_html_()
    assert page.count("<tr") == 5
    assert ran.best.trial in page

    (listed,) = raysweep.sweeps(tmp_path)
    assert (listed.sweep, listed.state, listed.tracker) == ("mine", "ended", "trackio")
    assert listed.result == ran.to_json()

    model = raysweep.load_model("mine", storage=tmp_path)
    picture = torch.randint(0, 256, (28, 28), dtype=torch.uint8)
    assert model.predict(picture[None]).shape == (1, 10)

    _one_shape(tmp_path, ran)
    _its_trials(tmp_path, ran)


def _one_shape(storage: Path, ran: raysweep.SweepResult) -> None:
    """`best`, `show` and `resume` of an ended sweep print what `run --json` printed."""
    whole = json.loads(json.dumps(ran.to_json()))
    at = ("--storage", storage, "--json")
    assert command("best", *at) == command("resume", *at) == whole
    shown = command("show", *at)
    assert {key: shown[key] for key in whole} == whole | {
        "trials": {**whole["trials"], "running": 0, "waiting": 0}
    }
    first = shown["leaderboard"][0]
    assert (first["trial"], first["artifact"]) == (ran.best.trial, ran.best.artifact)


def _its_trials(storage: Path, ran: raysweep.SweepResult) -> None:
    """What the driver has noted of a trial: when it ran, and in which process."""
    at = ("--storage", storage, "--json")
    trial = command("show", "mine", ran.best.trial, *at)
    assert trial["worker"].startswith(f"{trial['node']}/pid ")
    assert 0 < trial["duration_s"] <= ran.wall_s
    assert (trial["logged"], len(trial["history"])) == ([ran.best.artifact], 2)
    assert {ref.partition(":")[0] for ref in trial["used"]} == {"digits-preprocess", "convnet"}
    failed = command("show", "mine", "1", *at)
    assert (failed["state"], failed["artifact"], failed["history"]) == ("failed", None, [])
    assert failed["node"] == trial["node"]
    assert failed["error"].startswith("RuntimeError")


def test_a_sweep_without_a_best(tmp_path: Path) -> None:
    """One that was interrupted; then one that failed, and one of which nothing is known."""
    sweep = ToldSweep.create(tmp_path).tell("stage", stage="load", ref="digits-raw:v0", cached=True)
    sweep.trial(0, [80.0], learning_rate=0.2).ended(0, "failed", **boom())
    sweep.trial(1, [50.0, 70.0], learning_rate=0.1)
    assert [each.state for each in raysweep.sweeps(tmp_path)] == ["stopped"]
    result = raysweep.load_result(storage=tmp_path)
    assert not isinstance(result, raysweep.SweepResult)
    assert (result.best, result.state, result.ended_by) == (None, "stopped", None)
    assert (result.model_path, dict(result.test)) == (None, {})
    assert result.artifacts == {"digits-raw": "v0"}
    assert (result.trials.total, result.trials.failed) == (2, 1)
    assert result.leaderboard["trial"].tolist() == ["trial-0001", "trial-0000"]
    assert result.leaderboard["state"].tolist() == ["running", "failed"]
    assert result.histories[ACCURACY].tolist() == [80.0, 50.0, 70.0]
    (failed,) = result.failures
    assert (failed.trial, failed.where) == ("trial-0000", "/home/me/nets.py:12")
    assert repr(result).startswith("StoredResult('told': stopped, 2 trials (0 completed, 0 stopped")
    assert "; no best; folder" in repr(result)
    assert result._repr_html_().count("<tr") == 3
    assert result.to_json()["best"] is None

    sweep.ended(1, "failed", **boom())
    result = raysweep.load_result(storage=tmp_path)
    assert (result.best, result.trials.failed, len(result.failures)) == (None, 2, 2)
    sweep.folder.journal.write_bytes(b"")
    empty = raysweep.load_result(storage=tmp_path)
    assert (empty.best, len(empty.leaderboard), len(empty.histories)) == (None, 0, 0)
    assert "0 trials" in empty._repr_html_()
