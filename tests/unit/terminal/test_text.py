"""Numbers as people read them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from raysweep.events import StageFinished, WarmStarted
from raysweep.terminal import text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("validation/accuracy", 97.456, "97.46 %"),
        ("validation/loss", 0.123456, "0.1235"),
        ("validation/loss", None, "–"),
        ("validation/accuracy", math.nan, "NaN"),
        ("validation/loss", math.inf, "inf"),
    ],
)
def test_metrics_have_their_unit(name: str, value: float | None, shown: str) -> None:
    assert text.metric(name, value) == shown


def test_values_are_short() -> None:
    overrides = {
        "learning_rate": 0.0123456,
        "epochs": 3,
        "shuffle": True,
        "model.kernel_sizes": [3, 5],
    }
    shown = "learning_rate=0.01235 epochs=3 shuffle=True model.kernel_sizes=[3, 5]"
    assert text.values(overrides) == shown
    assert (text.plural(1, "trial"), text.plural(0, "trial")) == ("1 trial", "0 trials")


def test_a_warm_start_shows_what_was_taken_and_what_was_skipped() -> None:
    assert (
        text.warm_start_line(WarmStarted(("a", "b"), 1, {})) == "warm start  1 trial of a, b taken"
    )
    reasons = {"not completed": 2, "other data": 1}
    assert text.warm_start_line(WarmStarted(("a",), 8, reasons)) == (
        "warm start  8 trials of a taken; 3 skipped: not completed (2), other data (1)"
    )


def test_a_mean_has_its_deviation_and_its_unit() -> None:
    assert text.spread("validation/accuracy", 98.123, 0.316) == "98.12 ± 0.32 %"
    assert text.spread("validation/loss", 0.12346, 0.01) == "0.1235 ± 0.0100"
    assert text.spread("validation/accuracy", 98.123, None) == "98.12 %"
    assert text.spread("validation/accuracy", None, None) == "–"


def test_stages_that_trials_ask_for() -> None:
    first = StageFinished("initialize", "convnet:v0", False)
    more = StageFinished("initialize", "convnet:v1", False, ("convnet:v2", "convnet:v3"))
    assert text.stage_line(more) == "initialize  convnet:v1 and 2 more    made"
    data = StageFinished("load", "digits-raw:v0", True)
    assert text.late_stages([first, data, more, replace(first, ref="convnet:v9", cached=True)]) == [
        "initialize  convnet: 4 made, 1 reused",
        "load        digits-raw: 1 reused",
    ]
    nothing = StageFinished("fetch", "", False)
    assert text.stage_line(nothing) == "fetch       no artifact              run"
