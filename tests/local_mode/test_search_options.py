"""Limits that end a sweep, repeats, warm starts and populations, with Ray Tune and the tracker."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raysweep import SweepResult, resume_sweep, run_sweep
from raysweep.config import SweepConfig
from raysweep.errors import Interrupted, SweepFailed
from raysweep.events import Event, TrialUpdated, WarmStarted
from raysweep.search.budget import Budget
from raysweep.tracking import RunRecord

from sweeps import HAS_LOCAL_MODE, digits, grid, runs_by_job, stored

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

RATES = grid(learning_rate=[0.01, 0.003, 0.001])
SMALL = {"hidden_layer_sizes": [4, 8]}


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory, local_ray: None) -> Path:
    """The storage of all sweeps here."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def sweep(storage: Path) -> Callable[..., SweepResult]:
    """sweep("name", {…}, epochs=3): run it."""

    def run(name: str, keys: dict[str, Any], **train: Any) -> SweepResult:
        config = digits(keys, model=SMALL, train=train)
        return run_sweep(config, name=name, storage=storage)

    return run


def training_runs(storage: Path, name: str) -> list[RunRecord]:
    tracker = stored(storage, name).tracker()
    try:
        return runs_by_job(tracker, name)["train"]
    finally:
        tracker.close()


def test_a_reached_target_ends_the_sweep_with_a_best(
    storage: Path, sweep: Callable[..., SweepResult]
) -> None:
    keys = {**RATES, "metric": {"name": "validation/loss", "target": 100}}
    result = sweep("target", keys, epochs=3)
    assert result.ended_by == "target"
    assert [(row.state, row.epoch) for row in result.rows] == [("stopped", 1)]
    written = json.loads((storage / "target" / "result.json").read_text())
    assert written["ended_by"] == "target"
    assert written["best"]["artifact"] == result.best.artifact
    (run,) = training_runs(storage, "target")
    assert (run.state, run.summary["stopped"]) == ("finished", True)
    assert run.logged == (result.best.artifact,)


def test_max_epochs_total(storage: Path, sweep: Callable[..., SweepResult]) -> None:
    result = sweep("epochs", {**RATES, "max_epochs_total": 4}, epochs=3)
    assert result.ended_by == "max_epochs_total"
    assert [(row.state, row.epoch) for row in result.rows] == [("completed", 3), ("stopped", 1)]
    runs = training_runs(storage, "epochs")
    assert [run.state for run in runs] == ["finished", "finished"]
    assert all(len(run.logged) == 1 for run in runs)


def test_max_trials(sweep: Callable[..., SweepResult]) -> None:
    result = sweep("trials", {**RATES, "max_trials": 2}, epochs=1)
    assert result.ended_by == "max_trials"
    assert [row.state for row in result.rows] == ["completed", "completed"]


def test_max_time(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a run_cap random ends after 1000 trials. Here each epoch takes an hour."""
    hours = [0.0]

    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.epoch == 2:
            hours[0] += 1

    def timed(config: SweepConfig, started: float, clock: Any, note: Any) -> Budget:
        return Budget(config, 0, lambda: 3600 * hours[0], note)

    monkeypatch.setattr("raysweep.sweep.drive.Budget", timed)
    rates = {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2}}
    keys = {"method": "random", "parameters": rates, "max_time": "1h"}
    config = digits(keys, model=SMALL, train={"epochs": 100})
    result = run_sweep(config, name="time", storage=storage, observer=watch)
    assert result.ended_by == "max_time"
    assert [(row.state, row.epoch) for row in result.rows] == [("stopped", 3)]
    assert all(run.state == "finished" and run.logged for run in training_runs(storage, "time"))


def test_too_little_time_for_any_trial(sweep: Callable[..., SweepResult]) -> None:
    with pytest.raises(SweepFailed, match="max_time expired before the first trial started"):
        sweep("no-time", {**RATES, "max_time": 1e-6}, epochs=1)


def test_repeats_are_ranked_and_reported_by_their_mean(
    storage: Path, sweep: Callable[..., SweepResult]
) -> None:
    keys = {**grid(learning_rate=[0.01, 0.0001]), "repeats": 2}
    result = sweep("repeats", keys, epochs=1)
    assert result.ended_by == "completed"
    scores: dict[float, list[float]] = {}
    for row in result.rows:
        assert row.best is not None
        score = row.best["validation/accuracy"]
        scores.setdefault(row.overrides["learning_rate"], []).append(score)
    winner = max(scores, key=lambda rate: statistics.fmean(scores[rate]))
    best = json.loads((storage / "repeats" / "result.json").read_text())["best"]
    assert best["config"] == {"learning_rate": winner}
    assert (best["repeats"], best["mean"]) == (2, statistics.fmean(scores[winner]))
    assert best["std"] == statistics.stdev(scores[winner]) > 0, "two seeds, two results"
    assert best["metrics"]["validation/accuracy"] == max(scores[winner])
    frame = result.leaderboard
    assert list(frame["mean"])[:2] == [best["mean"]] * 2
    assert sorted(frame["repeat"][:2]) == [0, 1]
    runs = training_runs(storage, "repeats")
    assert [run.config["repeat"] for run in runs] == [0, 1, 0, 1]


def test_the_median_rule_in_ray_tune(sweep: Callable[..., SweepResult]) -> None:
    """Of three good trials and one that learns nothing, the latter is stopped after an epoch."""
    keys = {
        **grid(learning_rate=[0.01, 0.011, 0.012, 1e-9]),
        "early_terminate": {"type": "median"},
    }
    result = sweep("median", keys, epochs=2)
    assert [row.state for row in result.rows] == ["completed"] * 3 + ["stopped"]


def test_a_warm_start_is_printed_and_recorded(
    storage: Path, sweep: Callable[..., SweepResult]
) -> None:
    """The earlier sweep has a trial outside the space, one in it, and one that its budget ended."""
    keys = {**grid(learning_rate=[0.02, 0.004, 0.003]), "max_epochs_total": 5}
    earlier = sweep("earlier", keys, epochs=2)
    assert [row.state for row in earlier.rows] == ["completed", "completed", "stopped"]
    space = {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-12, "max": 0.01}}
    sampler = {"type": "tpe", "n_startup_trials": 1}
    keys = {"method": "bayes", "run_cap": 1, "parameters": space, "sampler": sampler}
    events: list[Event] = []
    config = digits(keys, model=SMALL, train={"epochs": 2})
    result = run_sweep(
        config, name="later", storage=storage, observer=events.append, warm_start=["earlier"]
    )
    (told,) = [event for event in events if isinstance(event, WarmStarted)]
    assert told.taken == 1
    assert told.passed_over == {"learning_rate outside the space": 1, "not completed": 1}
    assert [row.name for row in result.rows] == ["trial-0000"]
    cold = sweep("cold", keys, epochs=2)
    assert cold.rows[0].overrides != result.rows[0].overrides, "it was not drawn, but learned"
    written = json.loads((storage / "later" / "result.json").read_text())
    assert written["warm_start"] == told.to_json()
    assert written["warm_start"]["sweeps"] == ["earlier"]


@pytest.mark.parametrize("became", ["grown", "gone"])
def test_a_warm_start_is_resumed_as_it_was(became: str, tmp_path: Path, local_ray: None) -> None:
    """The journal has the trials that the sampler learned from, whatever happened to the earlier
    sweep."""
    space = {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-3, "max": 0.05}}
    sampler = {"type": "tpe", "n_startup_trials": 1}
    keys = {"method": "bayes", "run_cap": 3, "parameters": space, "sampler": sampler}
    config = digits(keys, model=SMALL, train={"epochs": 1}, data={"train_size": 200})
    earlier = digits(grid(learning_rate=[0.02, 0.004]), model=SMALL, train={"epochs": 1})
    earlier["data"] = config["data"]
    run_sweep(earlier, name="earlier", storage=tmp_path)
    whole = run_sweep(config, name="whole", storage=tmp_path, warm_start=["earlier"])

    def at_the_second(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.index == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run_sweep(
            config, name="cut", storage=tmp_path, observer=at_the_second, warm_start=["earlier"]
        )
    if became == "grown":
        run_sweep(
            digits(
                grid(learning_rate=[0.049]), model=SMALL, train={"epochs": 1}, data=config["data"]
            ),
            name="more",
            storage=tmp_path,
        )
        (tmp_path / "earlier").rename(tmp_path / "away")
        (tmp_path / "more").rename(tmp_path / "earlier")
    else:
        shutil.rmtree(tmp_path / "earlier")
    resumed = resume_sweep("cut", storage=tmp_path)
    assert [row.overrides for row in resumed.rows] == [row.overrides for row in whole.rows]
    assert resumed.warm_start == whole.warm_start


def test_a_population_and_the_lineage_of_its_clones(storage: Path) -> None:
    """A trial that cannot learn clones the other's checkpoint after each epoch, and so improves."""
    keys = {**grid(learning_rate=[0.01, 1e-7]), "pbt": {"interval": 1, "resample_probability": 0}}
    events: list[Event] = []
    config = digits(keys, model=SMALL, train={"epochs": 3})
    result = run_sweep(config, name="population", storage=storage, observer=events.append)
    assert [row.state for row in result.rows] == ["completed", "completed"]
    first, clone = training_runs(storage, "population")
    checkpoints = [ref for ref in first.logged if ref.startswith("trial-checkpoint:")]
    assert len(checkpoints) == 2, "after each epoch but the last"
    clones = clone.summary["clones"]
    assert clones[0]["checkpoint"] == checkpoints[0]
    assert checkpoints[0] in clone.used
    told = [event.cloned for event in events if isinstance(event, TrialUpdated) and event.cloned]
    assert [dict(each) for each in told[: len(clones)]] == [
        {key: each[key] for key in ("parent", "checkpoint", "values")} for each in clones
    ]
    assert clone.config["train"]["learning_rate"] == 1e-7, "what it began with"
    row = next(row for row in result.rows if row.name == "trial-0001")
    assert row.best is not None
    since = [{"epochs": 0, "values": {"learning_rate": 1e-7}}, *clones]
    in_force = [each["values"] for each in since if each["epochs"] <= row.best["epoch"]]
    assert row.overrides == in_force[-1], "what its best epoch was trained with"
    assert row.best["epoch"] > 0
    assert row.best["validation/accuracy"] > 50, "1e-7 alone learns nothing in three epochs"
    tracker = stored(storage, "population").tracker()
    model = next(ref for ref in clone.logged if ref.startswith("trained-model:"))
    nodes = {node["id"] for node in tracker.lineage(model).to_json()["nodes"]}
    tracker.close()
    assert {f"artifact:{checkpoints[0]}", f"run:{first.id}"} <= nodes
