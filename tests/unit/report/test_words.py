"""What the page says in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep.report import words
from raysweep.sweep.view import SweepView, load_view

from recorded_sweep import record


def told(storage: Path, states: list[str], *, ended: bool = True) -> tuple[SweepView, list[str]]:
    record(storage, "one", states, ended=ended)
    view = load_view(storage, "one")
    return view, words.percent_metrics([view])


def test_the_winner_in_words(tmp_path: Path) -> None:
    view, percent = told(tmp_path, ["completed", "stopped", "failed", "completed"])
    first = words.winner(view)
    assert first is not None
    assert view.best is not None
    reached = f"{view.best['metrics']['validation/accuracy']:.2f} %"
    assert words.headline(view, percent) == (
        f"{first.trial} won with validation/accuracy {reached}."
    )
    lead = words.lead(view, percent)
    assert lead.startswith("It was trained with learning_rate 0.")
    assert "On the test split: accuracy 97.20 %, loss 0.0853." in lead
    assert lead.endswith("Its model is trained-model:v0.")
    course = "4 trials: 2 completed, 1 stopped early, 1 failed; 1 min 15 s in all."
    assert words.course(view) == course


@pytest.mark.parametrize(
    ("states", "headline"),
    [
        ([], "No trial has started yet."),
        (["failed"], "No winner: the only trial failed."),
        (["failed", "failed"], "No winner: both trials failed."),
        (["failed"] * 5, "No winner: all 5 trials failed."),
    ],
)
def test_without_a_winner(tmp_path: Path, states: list[str], headline: str) -> None:
    view, percent = told(tmp_path, states)
    assert words.headline(view, percent) == headline
    cause = "The cause: KeyError: 1 at train.py:12." if states else ""
    assert words.lead(view, percent) == cause


def test_a_sweep_without_a_result_has_a_leader(tmp_path: Path) -> None:
    view, percent = told(tmp_path, ["completed", "running"], ended=False)
    assert " leads with validation/accuracy " in words.headline(view, percent)


def test_several_sweeps_name_the_one_ahead(tmp_path: Path) -> None:
    record(tmp_path, "short", ["completed"])
    record(tmp_path, "long", ["completed"] * 9)
    record(tmp_path, "other", ["completed"], metric="validation/loss")
    short, long, other = (load_view(tmp_path, name) for name in ("short", "long", "other"))
    percent = words.percent_metrics([short, long])
    assert words.headlines([short, long], percent).startswith("long is ahead: its trial-")
    apart = words.headlines([short, other], percent)
    assert apart == "2 sweeps with different metrics, side by side."


def test_a_fraction_is_no_percent(tmp_path: Path) -> None:
    view, percent = told(tmp_path, ["completed"])
    assert "validation/accuracy" in percent
    assert words.metric("validation/accuracy", 0.97, []) == "0.97"
    assert words.metric("validation/accuracy", float("nan"), percent) == "–"
    assert view.metric in percent
