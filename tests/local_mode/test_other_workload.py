"""Sweeps of another kind of trials than the built-in training, of which nobody knows how long they
are and what they report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rows_workload import known, rows_config

from raysweep import resume_sweep, run_sweep
from raysweep.cli.main import main
from raysweep.errors import Interrupted, SweepFailed, UserError
from raysweep.events import Event, TrialUpdated
from raysweep.storage.journal import read_journal
from raysweep.sweep.plan import make_plan
from raysweep.sweep.result import SweepResult
from raysweep.terminal.console import open_console
from raysweep.terminal.plain import PlainLines
from raysweep.terminal.summary import show_result

from sweeps import HAS_LOCAL_MODE, stored

pytestmark = [
    pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode"),
    pytest.mark.usefixtures("local_ray", "of_rows"),
]

HYPERBAND = {"type": "hyperband", "min_iter": 2, "eta": 2}


@pytest.fixture
def of_rows() -> Iterator[None]:
    with known():
        yield


def lengths(result: SweepResult) -> dict[float, tuple[str, int]]:
    """Rate → how the trial ended, and after how many rows."""
    return {row.overrides["learning_rate"]: (row.state, row.epoch) for row in result.rows}


def test_a_grid_from_its_start_to_list_and_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.StringIO()
    result = run_sweep(rows_config(), name="all", storage=tmp_path, observer=PlainLines(lines))
    assert lengths(result) == {r / 10: ("completed", r + 3) for r in range(1, 7)}
    assert (result.best.trial, result.best.artifact, dict(result.test)) == ("trial-0001", None, {})
    assert result.best.metrics["reward"] == pytest.approx(5.4)
    assert result.ended_by == "completed"
    assert list(result.leaderboard["learning_rate"]) == [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    said = lines.getvalue().splitlines()
    assert said[0].startswith("sweep all: 6 trials, ")
    assert "trial-0000  running   report 1  reward 0.5" in said
    assert not any(line.startswith("evaluating") for line in said), "it has no evaluation"

    console = open_console(io.StringIO())
    show_result(console, result, None)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert [line.split() for line in shown.splitlines()[1:3]] == [
        ["trial", "state", "reports", "reward", "values"],
        ["1", "trial-0001", "completed", "9", "5.4", "learning_rate=0.6"],
    ]

    first = stored(tmp_path).record
    assert (first.kind, stored(tmp_path).folder.result()) == ("rows", result.to_json())
    capsys.readouterr()
    assert main(["best", "--storage", str(tmp_path)]) == 0
    assert "accuracy             0.6\n" in capsys.readouterr().out, "not percent"
    assert main(["list", "--storage", str(tmp_path)]) == 0
    assert "trial-0001" in capsys.readouterr().out
    started = read_journal(stored(tmp_path).folder.journal)[0]
    assert list(started["versions"]) == ["raysweep", "python", "rows", "ray", "optuna"]
    assert started["arithmetic"] == "decimal"


@pytest.mark.parametrize(
    ("rule", "stopped"),
    [
        (HYPERBAND, [0.4, 0.3, 0.2, 0.1]),
        ({"type": "hyperband", "max_iter": 8, "s": 2, "eta": 2}, [0.4, 0.3, 0.2, 0.1]),
        ({**HYPERBAND, "order": "sweep"}, [0.4, 0.3, 0.2, 0.1]),
        ({"type": "median", "min_iter": 2}, [0.3, 0.2, 0.1]),
    ],
    ids=["from min_iter", "down from max_iter", "in order", "median"],
)
def test_a_trial_of_unknown_length_is_stopped_early(
    tmp_path: Path, rule: dict[str, Any], stopped: list[float]
) -> None:
    result = run_sweep(rows_config(early_terminate=rule), storage=tmp_path)
    found = lengths(result)
    assert [rate for rate, how in found.items() if how == ("stopped", 2)] == stopped
    assert result.best.config == {"learning_rate": 0.6}
    assert (found[0.6], found[0.5]) == (("completed", 9), ("completed", 8))


def test_random_search_within_so_many_reports(tmp_path: Path) -> None:
    drawn = {"learning_rate": {"min": 0.1, "max": 0.6}}
    config = rows_config(method="random", parameters=drawn, run_cap=6, max_epochs_total=15)
    result = run_sweep(config, storage=tmp_path)
    assert result.ended_by == "max_epochs_total"
    assert 14 <= sum(row.epoch for row in result.rows) <= 15


@pytest.mark.parametrize("snapshots", [True, False])
@pytest.mark.parametrize("at", [2, 9, 17])
def test_it_is_resumed(tmp_path: Path, at: int, snapshots: bool) -> None:
    """It comes to what it would have come to, also where a trial begins again."""
    config = rows_config(early_terminate=HYPERBAND, max_epochs_total=25)
    with known(snapshots=snapshots):
        whole = run_sweep(config, storage=tmp_path / "whole")
        seen = list[Event]()

        def interrupt(event: Event) -> None:
            seen.append(event)
            if len([each for each in seen if isinstance(each, TrialUpdated)]) == at:
                raise KeyboardInterrupt

        with pytest.raises(Interrupted, match="resume it with"):
            run_sweep(config, name="cut", storage=tmp_path, observer=interrupt)
        result = resume_sweep(storage=tmp_path)
    assert lengths(result) == lengths(whole)
    assert (result.best, result.ended_by) == (whole.best, whole.ended_by)
    history = stored(tmp_path).tracker().history
    for run in stored(tmp_path).tracker().runs("cut"):
        steps = [row["step"] for row in history(run.id)]
        assert steps == list(range(len(steps))), "no row is there twice"


def test_what_it_cannot_do_is_refused_with_the_reason(tmp_path: Path) -> None:
    where = {"storage": tmp_path / "refused"}
    drawn = {"learning_rate": {"min": 0.1, "max": 0.6}}
    config = rows_config(method="random", parameters=drawn, run_cap=3, pbt={"interval": 1})
    why = "sweep.pbt: needs trials that continue from each other's state, and a row says nothing"
    with pytest.raises(UserError, match=why):
        run_sweep(config, **where)
    config = rows_config(early_terminate={**HYPERBAND, "order": "sweep"})
    with known(snapshots=False), pytest.raises(UserError, match=r"order: sweep needs trials that"):
        run_sweep(config, **where)
    assert not where["storage"].exists()


def test_a_metric_that_no_trial_reports_fails_with_those_that_they_do(tmp_path: Path) -> None:
    config = rows_config(metric={"name": "rewrad", "goal": "maximize"})
    with pytest.raises(SweepFailed, match=r"finite rewrad .*; trials reported reward, accuracy"):
        run_sweep(config, storage=tmp_path)


def test_its_plan_names_no_length_and_no_stage(tmp_path: Path) -> None:
    config = rows_config(early_terminate=HYPERBAND).model_copy(update={"storage": str(tmp_path)})
    plan = make_plan(config)
    assert (plan.epochs, plan.stages) == (None, ())
    assert plan.early_terminate == (
        ", stopped early by hyperband (at epoch 2, 4, 8, 16, …, 1 in 2 continues)"
    )
