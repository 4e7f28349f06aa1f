"""Which trials early stopping stops, in made-up histories."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.search.brackets import Brackets
from raysweep.search.spec import TrialSpec

from tuned import tune

NAN = math.nan


@pytest.fixture
def stopped_by(make_config: Callable[..., Config]) -> Callable[..., list[int]]:
    """stopped_by(rule, [[…], …]): how many epochs each trial of that history gets, one by one."""

    def run(
        rule: Mapping[str, Any],
        histories: Sequence[Sequence[float]],
        concurrent: int = 1,
        metric: str = "validation/loss",
    ) -> list[int]:
        rates = [0.001 * (i + 1) for i in range(len(histories))]
        sweep = {
            "method": "grid",
            "metric": {"name": metric},
            "parameters": {"learning_rate": {"values": rates}},
            "early_terminate": rule,
        }
        config = make_config(sweep=sweep, train={"epochs": len(histories[0])})

        def value(spec: TrialSpec, epoch: int) -> float:
            return histories[spec.index][epoch - 1]

        return tune(config, value, concurrent=concurrent).epochs

    return run


def hyperband(**keys: Any) -> dict[str, Any]:
    return {"type": "hyperband", **keys}


FOUR = [[4, 4, 4, 4], [3, 3, 3, 3], [5, 5, 5, 5], [1, 1, 1, 1]]
"""Losses: the second trial beats the first, the third is the worst, the fourth the best."""


def test_one_in_eta_and_one_more_go_on_at_a_bracket(stopped_by: Callable[..., list[int]]) -> None:
    """Of n values sorted, entry n / eta: of one trial itself, of two at eta 2 both, of three two.

    One after the other: 4 goes on; 3 is better; of 3, 4, 5 the entry is 4, so 5 stops.
    """
    assert stopped_by(hyperband(min_iter=1, eta=2), FOUR) == [4, 4, 1, 4]
    assert stopped_by(hyperband(min_iter=2, eta=2), FOUR) == [4, 4, 2, 4]
    assert stopped_by(hyperband(min_iter=5, eta=2), FOUR) == [4, 4, 4, 4]


def test_accuracy_goes_the_other_way(stopped_by: Callable[..., list[int]]) -> None:
    found = stopped_by(hyperband(min_iter=1, eta=2), FOUR, metric="validation/accuracy")
    assert found == [4, 4, 4, 1]


def test_a_trial_is_judged_again_when_others_have_come(
    stopped_by: Callable[..., list[int]],
) -> None:
    """All at once: the first comes to bracket 2 before all others, and goes on; an epoch later two
    better ones have come there, and it stops."""
    assert stopped_by(hyperband(min_iter=1, eta=2), FOUR, concurrent=4) == [3, 4, 1, 4]


def test_max_iter_and_s_count_down(stopped_by: Callable[..., list[int]]) -> None:
    """max_iter 9, eta 3, s 1: the one bracket is epoch 3; with s 2 epoch 1 is another."""
    histories = [[1] * 9, [2] * 9, [3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]
    assert stopped_by(hyperband(max_iter=9, s=1), histories) == [9, 3, 9]
    assert stopped_by(hyperband(max_iter=9, s=2), histories) == [9, 1, 1]


def test_strict_judges_by_the_value_at_the_bracket(stopped_by: Callable[..., list[int]]) -> None:
    """The second trial was better before the bracket than at it."""
    histories = [[4, 4, 4], [1, 5, 5]]
    rule = hyperband(min_iter=2, eta=3)
    assert stopped_by(rule, histories) == [3, 3]
    assert stopped_by({**rule, "strict": True}, histories) == [3, 2]


def test_a_trial_that_recovers_is_spared_by_its_best(stopped_by: Callable[..., list[int]]) -> None:
    """At the bracket it is the worst, one epoch later the best: too late when it is judged."""
    assert stopped_by(hyperband(min_iter=1, eta=3), [[4, 4, 4], [5, 1, 1]]) == [3, 1]
    assert stopped_by(hyperband(min_iter=2, eta=3), [[4, 4, 4], [5, 1, 1]]) == [3, 3]


def test_a_diverged_trial_is_the_worst_and_stops_no_other(
    stopped_by: Callable[..., list[int]],
) -> None:
    histories = [[4, 4, 4], [NAN, NAN, NAN], [3, 3, 3], [NAN, NAN, NAN]]
    assert stopped_by(hyperband(min_iter=1, eta=3), histories) == [3, 1, 3, 1]


def test_the_last_epoch_of_a_trial_is_a_bracket_for_the_next() -> None:
    brackets = Brackets((2,), eta=3, goal="minimize")
    for trial, value in (("a", 1.0), ("b", 2.0)):
        for epoch in (1, 2, 2):
            brackets.report(trial, epoch, value)
    assert not brackets.falls_behind("a")
    assert brackets.falls_behind("b")


def test_a_shorter_trials_last_epoch_counts_at_its_bracket(
    make_config: Callable[..., Config],
) -> None:
    sweep = {
        "method": "grid",
        "metric": {"name": "validation/loss"},
        "parameters": {"epochs": {"values": [2, 4]}},
        "early_terminate": hyperband(min_iter=2, eta=3),
    }
    assert tune(make_config(sweep=sweep), lambda spec, _: spec.index).epochs == [2, 2]


def test_a_bracket_holds_what_the_trials_that_are_there_have_reported() -> None:
    """Its values are kept sorted, and those of a trial that starts over leave it."""
    rng, brackets = random.Random(0), Brackets((1, 3), eta=3, goal="maximize")
    histories: dict[str, list[float]] = {}
    for _ in range(600):
        trial = f"trial-{rng.randrange(40):04d}"
        if rng.random() < 0.1:
            brackets.forget(trial)
            histories.pop(trial, None)
            continue
        history = histories.setdefault(trial, [])
        value = rng.choice([NAN, *map(float, range(9))])
        history.append(-value if math.isfinite(value) else math.inf)
        brackets.report(trial, len(history), value)
        reached = [each for each in (1, 3) if each <= len(history)][-1]
        there = [each[reached - 1] for each in histories.values() if len(each) >= reached]
        threshold = sorted(there)[len(there) // 3]
        assert brackets.falls_behind(trial) == (min(history) > threshold)


MEDIAN = [[2, 2, 2], [4, 4, 4], [6, 6, 6], [5, 5, 5], [3, 3, 3], [9, 1, 1]]
"""Losses. Of the first three the median is 4; with the fourth, if it ran on, 4.5; and so on."""


def test_median_stops_what_is_worse_than_half_of_the_others(
    stopped_by: Callable[..., list[int]],
) -> None:
    """The first three have too few to be held against; 5 and 9 are worse than the median."""
    assert stopped_by({"type": "median"}, MEDIAN) == [3, 3, 3, 1, 3, 1]


def test_median_waits_for_min_iter_and_judges_by_the_best(
    stopped_by: Callable[..., list[int]],
) -> None:
    assert stopped_by({"type": "median", "min_iter": 2}, MEDIAN) == [3, 3, 3, 2, 3, 3]


def test_median_outlives_a_diverged_trial(stopped_by: Callable[..., list[int]]) -> None:
    """Ray's own rule stops every trial that NaN comes before."""
    histories = [[NAN, NAN], [4, 4], [6, 6], [3, 3], [7, 7]]
    assert stopped_by({"type": "median"}, histories) == [2, 2, 2, 2, 1]
