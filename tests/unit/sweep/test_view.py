"""A stored sweep as `show` and `report` see it, from a journal of now or of an earlier version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raysweep.storage.claim import claim, release
from raysweep.sweep.axes import fixed_of, space_of
from raysweep.sweep.view import TrialView, load_view, view_of

from told_sweep import ACCURACY, BEGAN, ToldSweep, boom
from workshop import open_store


def states(sweep: ToldSweep) -> list[str]:
    return [trial.state for trial in view_of(sweep.stored(), artifacts=False).trials]


def only(sweep: ToldSweep) -> TrialView:
    (trial,) = view_of(sweep.stored(), artifacts=False).trials
    return trial


def test_a_trial_that_ended(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path).trial(3, [50.0, 70.0, 60.0], learning_rate=0.01).ended(3)
    trial = only(sweep)
    assert (trial.trial, trial.number, trial.state) == ("trial-0003", 3, "completed")
    assert trial.values == {"learning_rate": 0.01}
    assert trial.history == (
        {"epoch": 0, "step": 100, ACCURACY: 50.0},
        {"epoch": 1, "step": 200, ACCURACY: 70.0},
        {"epoch": 2, "step": 300, ACCURACY: 60.0},
    )
    assert trial.metrics == {"epoch": 1, ACCURACY: 70.0}
    assert (trial.node, trial.worker) == ("a-node", "a-node/pid 4711")
    assert (trial.started, trial.ended, trial.duration_s) == (BEGAN + 6, BEGAN + 10, 4)
    assert (trial.epochs, trial.error, trial.log) == (3, None, None)


def test_a_night_between_two_drivers_is_not_of_the_trials_time(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path).trial(0, [50.0])
    sweep.away_s = 30_000
    sweep.tell("resumed", versions={}).tell("begun", 1, index=0).epoch(0, 2, [50.0, 60.0])
    trial = only(sweep.ended(0))
    assert (trial.started, trial.ended) == (BEGAN + 6, BEGAN + 30_010)
    assert trial.duration_s == 4


def test_how_long_a_trial_of_an_earlier_version_took_when_run_again_is_unknown(
    tmp_path: Path,
) -> None:
    sweep = ToldSweep.create(tmp_path, dated=False).trial(0, [50.0]).ended(0, "failed", **boom())
    trial = only(sweep.tell("retry", 20, index=0).epoch(0, 1, [60.0]).ended(0))
    assert (trial.state, trial.duration_s) == ("completed", None)


def test_the_journal_of_an_earlier_version(tmp_path: Path) -> None:
    """Its events have the sweep's own time only, and no worker."""
    sweep = ToldSweep.create(tmp_path, dated=False).trial(0, [50.0]).ended(0)
    trial = only(sweep)
    assert (trial.started, trial.ended) == (BEGAN, BEGAN + 2)
    assert (trial.node, trial.worker) == (None, None)
    view = view_of(sweep.stored(), artifacts=False)
    assert (view.planned, view.state) == (None, "stopped")
    assert view.started == BEGAN - 5


def test_a_trial_that_failed(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path).trial(0)
    sweep.ended(0, "failed", node="b-node", pid=1, **boom())
    trial = only(sweep)
    assert trial.error == "KeyError: 1 (nets.py:12 in forward)"
    assert trial.where == "/home/me/nets.py:12"
    assert trial.traceback is not None
    assert trial.traceback.endswith("KeyError: 1")
    assert (trial.worker, trial.metrics) == ("b-node/pid 1", {})


def test_what_runs_now(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path).trial(0, [50.0]).trial(1).tell("paused", index=1)
    assert states(sweep) == ["waiting", "waiting"], "no process drives the sweep"
    lock = claim(sweep.folder)
    assert states(sweep) == ["running", "waiting"]
    sweep.tell("resumed", 10, versions={"ray": "2.55.0"})
    assert states(sweep) == ["waiting", "waiting"]
    sweep.tell("begun", 1, index=0)
    assert states(sweep) == ["running", "waiting"]
    view = view_of(sweep.stored(), artifacts=False)
    assert (view.state, view.ended, view.planned) == ("running", None, 4)
    assert view.versions == {"raysweep": "0.1.0", "ray": "2.55.0"}
    release(lock)


def test_a_trial_whose_process_died_and_one_that_is_run_again(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path).trial(0, [50.0, 60.0])
    sweep.tell("died", index=0, counts=1).epoch(0, 2, [50.0, 61.0])
    trial = only(sweep)
    assert [row[ACCURACY] for row in trial.history] == [50.0, 61.0], "an epoch that was made anew"
    assert trial.restarts == 1
    sweep.ended(0, "failed", **boom()).tell("retry", index=0)
    trial = only(sweep)
    assert (trial.state, trial.history, trial.error, trial.ended) == ("waiting", (), None, None)


def test_what_it_logged_and_where_its_log_is(tmp_path: Path) -> None:
    from raysweep.tracking import ArtifactDraft, RunSpec

    sweep = ToldSweep.create(tmp_path).trial(0, [50.0]).ended(0)
    file = tmp_path / "weights"
    file.touch()
    tracker = open_store(tmp_path / "tracker")
    run = tracker.start_run(RunSpec("5ca1ab1e-trial-0000", "trial-0000-told", "train", "told"))
    run.log_artifact(ArtifactDraft("trained-model", "model", "", {}, {"weights": file}))
    log = sweep.folder.path / "logs" / "trial-0000.log"
    log.parent.mkdir()
    log.touch()
    (trial,) = load_view(tmp_path, "told").trials
    assert (trial.artifact, trial.log) == ("trained-model:v0", log)


def test_an_ended_sweep(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path).tell(
        "stage", 2, stage="load", ref="digits-raw:v0", cached=True
    )
    sweep.trial(0, [50.0]).ended(0).tell("budget", why="max_time")
    sweep.result("trial-0000", "trained-model:v0")
    view = load_view(tmp_path)
    assert (view.sweep, view.state, view.budget) == ("told", "ended", "max_time")
    assert (view.metric, view.goal, view.test) == (
        ACCURACY,
        "maximize",
        {"loss": 0.5, "accuracy": 91},
    )
    assert view.best is not None
    assert view.best["artifact"] == "trained-model:v0"
    assert (view.started, view.ended) == (BEGAN, BEGAN + sweep.at + 2)
    (stage,) = view.stages
    assert (stage.stage, stage.artifact, stage.cached) == ("load", "digits-raw:v0", True)
    assert (stage.started, stage.ended) == (BEGAN + 5, BEGAN + 7)


def test_a_sweep_whose_driver_died_before_its_first_event(tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path)
    sweep.folder.journal.write_bytes(b"")
    view = load_view(tmp_path)
    assert (view.state, view.trials, view.started, view.metric) == ("stopped", (), None, ACCURACY)


@pytest.mark.parametrize(
    ("given", "kind", "log", "choices", "bounds"),
    [
        ({"values": [1, 2]}, "categorical", False, (1, 2), (None, None)),
        ({"value": 3}, "constant", False, (3,), (None, None)),
        ({"min": 1, "max": 8}, "int_uniform", False, None, (1, 8)),
        ({"min": 0.5, "max": 8}, "uniform", False, None, (0.5, 8)),
        (
            {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1},
            *("log_uniform_values", True, None, (1e-4, 0.1)),
        ),
        (
            {"distribution": "log_uniform", "min": 0, "max": 1},
            *("log_uniform", True, None, (1.0, 2.718281828459045)),
        ),
        (
            {"distribution": "inv_log_uniform", "min": 0, "max": 1},
            *("inv_log_uniform", True, None, (0.36787944117144233, 1.0)),
        ),
        ({"distribution": "log_normal"}, "log_normal", True, None, (None, None)),
        ({"distribution": "normal", "mu": 2}, "normal", False, None, (None, None)),
    ],
)
def test_an_axis(
    given: object, kind: str, log: bool, choices: object, bounds: tuple[object, object]
) -> None:
    (axis,) = space_of({"sweep": {"parameters": {"x": given}}})
    assert (axis.name, axis.kind, axis.log, axis.choices) == ("x", kind, log, choices)
    assert (axis.min, axis.max) == bounds


@pytest.mark.parametrize(
    ("space", "fixed"),
    [
        ({"lr": {"min": 0, "max": 1}, "epochs": {"value": 3}}, {"epochs": 3}),
        (
            {"lr": {"values": [1, 2]}, "net": {"values": ["a"]}, "no": {"value": None}},
            {"net": "a", "no": None},
        ),
        ({"lr": {"values": [1, 2]}, "seed": {"min": 1, "max": 1}}, {}),
        ({"lr": {"value": 1}, "epochs": {"value": 3}}, {}),  # else nothing would tell trials apart
    ],
)
def test_what_is_the_same_for_all_trials(space: dict[str, Any], fixed: dict[str, Any]) -> None:
    assert fixed_of(space_of({"sweep": {"parameters": space}})) == fixed
