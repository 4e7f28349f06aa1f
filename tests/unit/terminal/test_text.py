"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

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
