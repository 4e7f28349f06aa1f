"""The whole pipeline in one process, with `ray.init(local_mode=True)`: break anywhere."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
import torch

from raysweep import SweepResult, run_sweep
from raysweep.errors import Interrupted, SweepFailed
from raysweep.events import Event, StageFinished, SweepStarted, TrialUpdated
from raysweep.ml.convnet import ConvNet
from raysweep.ml.weights import load_weights
from raysweep.tracking import Tracker

from sweeps import HAS_LOCAL_MODE, IMPOSSIBLE, digits, grid, one_process, runs_by_job, stored

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

CONFIG = digits(grid(learning_rate=[0.01, 0.003], model__dropout=[0.3, 0.5]))


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('it\'s a "storage"')


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def result(storage: Path, events: list[Event]) -> SweepResult:
    return run_sweep(CONFIG, name="first", storage=storage, local_mode=True, observer=events.append)


@pytest.fixture(scope="module")
def local_ray(result: SweepResult) -> Iterator[None]:
    """Start Ray for the sweeps that need not start it themselves, as that of `result` did."""
    with one_process():
        yield


@pytest.fixture
def tracker(storage: Path, result: SweepResult) -> Iterator[Tracker]:
    tracker = stored(storage, "first").tracker()
    yield tracker
    tracker.close()


def test_ray_is_shut_down_and_the_result_written(storage: Path, result: SweepResult) -> None:
    assert not ray.is_initialized()
    written = json.loads((storage / "first" / "result.json").read_text())
    assert written == result.to_json()
    assert list(written) == [
        "sweep", "project", "tracker", "artifacts", "cached_stages", "trials",
        "failures", "best", "test",
        "promoted", "promotion", "ended_by", "warm_start", "links", "unsent", "wall_s",
    ]  # fmt: skip
    assert written["trials"] == {"total": 4, "completed": 4, "stopped": 0, "failed": 0}
    assert written["cached_stages"] == written["unsent"] == []
    assert written["links"] == {}, "no server shows what the embedded tracker keeps"
    assert {path.name for path in (storage / "first").iterdir()} == {
        "best", "config.given.yaml", "config.yaml", "journal.jsonl", "logs", "result.json",
        "sweep.json",
    }  # fmt: skip


def test_every_stage_is_a_run_with_its_job_type(tracker: Tracker) -> None:
    jobs = runs_by_job(tracker, "first")
    counts = {job: len(runs) for job, runs in jobs.items()}
    assert counts == {
        "load-data": 1, "preprocess-data": 1, "initialize": 2, "train": 4, "report": 1,
    }  # fmt: skip
    assert all(run.state == "finished" for runs in jobs.values() for run in runs)


def test_one_convnet_for_each_architecture_and_each_trial_its_own(tracker: Tracker) -> None:
    for run in runs_by_job(tracker, "first")["train"]:
        convnet = next(ref for ref in run.used if ref.startswith("convnet:"))
        assert tracker.artifact(convnet).metadata["dropout"] == run.config["model"]["dropout"]
    assert tracker.artifact("convnet:latest").version == "v1"


def test_the_trials_used_the_versions_that_latest_meant(tracker: Tracker) -> None:
    for run in runs_by_job(tracker, "first")["train"]:
        model = tracker.artifact(run.logged[0])
        assert run.used[0] == "digits-preprocess:v0"
        assert model.metadata["used"].keys() == {"digits-preprocess", "convnet"}
        assert model.metadata["requested"] == ["digits-preprocess:latest"], "dropout is swept"


def test_histories_use_the_tutorials_keys_against_examples_seen(tracker: Tracker) -> None:
    run = runs_by_job(tracker, "first")["train"][0]
    history = tracker.history(run.id)
    training = [row for row in history if "train/loss" in row]
    validation = [row for row in history if "validation/loss" in row]
    assert [row["step"] for row in validation] == [600, 1200]
    assert all(0 < row["step"] <= 1200 for row in training)
    assert [row["epoch"] for row in validation] == [0, 1]
    assert all(0 <= row["validation/accuracy"] <= 100 for row in validation)


def test_the_best_is_tagged_reported_and_loads(result: SweepResult, tracker: Tracker) -> None:
    best = tracker.artifact("trained-model:best")
    assert best.ref == result.best.artifact
    assert {"best", "best-first"} <= set(best.aliases)
    report = runs_by_job(tracker, "first")["report"][0]
    assert report.used == ("digits-preprocess:v0", best.ref)
    assert report.summary["accuracy"] == result.test.accuracy > 50
    assert len(tracker.images(report.id, "high-loss-examples")) == 32
    _, rows = tracker.table(report.id, "confusion-matrix")
    assert sum(sum(row[1:]) for row in rows) == 297
    architecture = {k: v for k, v in best.metadata["model"].items() if k != "seed"}
    ConvNet(**architecture).load_state_dict(load_weights(result.model_path))


def test_the_graph_goes_from_raw_data_to_the_report(result: SweepResult, tracker: Tracker) -> None:
    graph = tracker.lineage("trained-model:best").to_json()
    kinds = {node["id"]: node.get("job_type") or node["name"] for node in graph["nodes"]}
    edges = {(kinds[a], kinds[b]) for a, b in graph["edges"]}
    assert edges == {
        ("load-data", "digits-raw"),
        ("digits-raw", "preprocess-data"),
        ("preprocess-data", "digits-preprocess"),
        ("initialize", "convnet"),
        ("digits-preprocess", "train"),
        ("convnet", "train"),
        ("train", "trained-model"),
        ("trained-model", "report"),
        ("digits-preprocess", "report"),
    }


def test_the_leaderboard_is_a_frame_led_by_the_best(result: SweepResult) -> None:
    frame = result.leaderboard
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 4
    assert frame.iloc[0]["trial"] == result.best.trial
    assert frame["validation/accuracy"].is_monotonic_decreasing
    assert {"learning_rate", "model.dropout"} <= set(frame.columns)


def test_events_tell_the_whole_story(result: SweepResult, events: list[Event]) -> None:
    start = next(event for event in events if isinstance(event, SweepStarted))
    assert (start.trials, start.epochs) == (4, 2)
    stages = [event.stage for event in events if isinstance(event, StageFinished)]
    expected = ["load", "preprocess", "initialize", "initialize"]
    assert stages == expected, "the swept models are made as trials ask"
    kinds = [type(event) for event in events]
    told = [i for i, kind in enumerate(kinds) if kind is StageFinished]
    first = next(
        i for i, each in enumerate(events) if isinstance(each, TrialUpdated) and each.epoch == 1
    )
    assert told[2] < first < told[3], "each before the first report of the trial that asked for it"
    last = {event.index: event for event in events if isinstance(event, TrialUpdated)}
    assert {event.state for event in last.values()} == {"completed"}
    assert all(event.epoch == event.epochs == 2 for event in last.values())


@pytest.mark.usefixtures("local_ray")
def test_a_second_sweep_reuses_the_stages_and_moves_best(
    storage: Path, result: SweepResult
) -> None:
    again = run_sweep(CONFIG, name="second", storage=storage)
    assert again.cached_stages == ("load", "preprocess", "initialize")
    assert again.artifacts == result.artifacts
    assert again.best.metrics == result.best.metrics
    assert again.best.artifact != result.best.artifact, "two trials never share a version"
    tracker = stored(storage, "second").tracker()
    assert tracker.artifact("trained-model:best").ref == again.best.artifact
    assert tracker.artifact("trained-model:best-first").ref == result.best.artifact
    for name in ("digits-raw", "digits-preprocess"):
        assert tracker.artifact(f"{name}:latest").version == "v0"
    weights = [load_weights(r.model_path) for r in (result, again)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


@pytest.mark.usefixtures("local_ray")
def test_a_trial_that_raises_is_recorded_and_the_others_continue(tmp_path: Path) -> None:
    config = digits(grid(model__hidden_layer_sizes=[[8, 8], IMPOSSIBLE]))
    result = run_sweep(config, name="mixed", storage=tmp_path)
    assert (result.trials.completed, result.trials.failed) == (1, 1)
    failed = next(row for row in result.rows if row.state == "failed")
    assert failed.error is not None
    assert "RuntimeError" in failed.error
    tracker = stored(tmp_path).tracker()
    run = next(r for r in tracker.runs("mixed") if r.config.get("trial") == failed.name)
    assert run.state == "failed"
    assert run.error is not None
    assert "RuntimeError" in run.error


@pytest.mark.usefixtures("local_ray")
def test_an_interrupt_when_the_last_trial_has_ended_is_not_lost(tmp_path: Path) -> None:
    """Tune swallows the signal: it has nothing left to stop, and returns normally."""

    def interrupt(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.state == "completed":
            signal.raise_signal(signal.SIGINT)

    config = digits(grid(learning_rate=[0.01]), train={"epochs": 1})
    with pytest.raises(Interrupted, match="mine has no best"):
        run_sweep(config, name="mine", storage=tmp_path, observer=interrupt)
    runs = runs_by_job(stored(tmp_path).tracker(), "mine")
    assert [run.state for run in runs["train"]] == ["finished"]
    assert "report" not in runs


@pytest.mark.usefixtures("local_ray")
def test_all_trials_failed(tmp_path: Path) -> None:
    config = digits(grid(model__hidden_layer_sizes=[IMPOSSIBLE]))
    with pytest.raises(SweepFailed, match=r"1 of 1 failed.*RuntimeError"):
        run_sweep(config, name="doomed", storage=tmp_path)
    assert not (tmp_path / "doomed" / "result.json").exists()
    runs = runs_by_job(stored(tmp_path).tracker(), "doomed")
    assert [run.state for run in runs["train"]] == ["failed"]
    assert "report" not in runs


@pytest.mark.usefixtures("local_ray")
def test_bayes_with_early_stopping(tmp_path: Path) -> None:
    sweep = {
        "method": "bayes",
        "run_cap": 5,
        "metric": {"name": "validation/loss", "goal": "minimize"},
        "parameters": {
            "learning_rate": {"min": 1e-4, "max": 1e-2, "distribution": "log_uniform_values"},
            "batch_size": {"values": [32, 64]},
        },
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
    }
    result = run_sweep(digits(sweep), name="tpe", storage=tmp_path)
    assert result.trials.total == 5
    assert result.trials.completed + result.trials.stopped == 5
    assert result.trials.stopped >= 1
    tracker = stored(tmp_path).tracker()
    stopped = [row.name for row in result.rows if row.state == "stopped"]
    for run in runs_by_job(tracker, "tpe")["train"]:
        assert run.state == "finished"
        assert tracker.artifact(run.logged[0]).metadata["stopped"] is (
            run.config["trial"] in stopped
        )
    assert all(1e-4 <= row.overrides["learning_rate"] <= 1e-2 for row in result.rows)
