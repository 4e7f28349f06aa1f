"""Trials of one configuration: handed out in a row, told as a mean, ranked by it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.search import space
from raysweep.search.budget import Budget
from raysweep.search.repeats import cannot_win, rank_configurations
from raysweep.search.spec import TrialSpec
from raysweep.selection import Candidate
from raysweep.trials.training.workload import Training
from raysweep.trials.trial import TrialSession

from tuned import tune
from workshop import Workshop, spec_of

METRIC = "validation/accuracy"


def trials(*configurations: list[float | None]) -> list[Candidate]:
    """The trials of these configurations; None: it failed."""
    return [
        Candidate(3 * number + repeat, score is not None, {METRIC: score or 0.0}, repeat)
        for number, scores in enumerate(configurations)
        for repeat, score in enumerate(scores)
    ]


def order(candidates: list[Candidate], goal: Any = "maximize") -> list[list[int]]:
    ranked = rank_configurations(reversed(candidates), METRIC, goal, repeats=3)
    return [[trial.index for trial in each.trials] for each in ranked]


def test_the_best_mean_wins_and_not_the_best_trial() -> None:
    lucky, steady = [99.0, 10.0, 20.0], [80.0, 82.0, 81.0]
    assert order(trials(lucky, steady)) == [[4, 5, 3], [0, 2, 1]]
    assert order(trials(lucky, steady), "minimize") == [[1, 2, 0], [3, 5, 4]]
    first = rank_configurations(trials(lucky, steady), METRIC, "maximize", repeats=3)[0]
    assert first.mean == statistics.fmean(steady)
    assert first.std == pytest.approx(1.0)


def test_a_configuration_that_lacks_a_repeat_comes_after_the_whole_ones() -> None:
    lucky, steady, cut, gone = [99.0, None, 98.0], [8.0, 8.0, 8.0], [99.5], [None, None, None]
    assert order(trials(gone, lucky, steady, cut)) == [[6, 7, 8], [9], [3, 5, 4], [0, 1, 2]]
    ranked = rank_configurations(trials(gone, cut), METRIC, "maximize", repeats=3)
    assert [(each.mean, each.std, each.whole) for each in ranked] == [
        (99.5, None, False),
        (None, None, False),
    ]


def test_ties_go_to_the_earlier_configuration_and_nan_is_no_score() -> None:
    assert order(trials([5.0, 5.0, 5.0], [4.0, 5.0, 6.0])) == [[0, 1, 2], [5, 4, 3]]
    ranked = rank_configurations(trials([math.nan, 5.0, 7.0]), METRIC, "maximize", repeats=3)
    assert (ranked[0].scores, ranked[0].whole) == ((7.0, 5.0), False)


@pytest.fixture
def repeated(make_config: Callable[..., Config]) -> Callable[..., Config]:
    """repeated(method="grid"): two configurations (of bayes 15), three trials of each."""

    def make(**keys: Any) -> Config:
        listed = {"label_smoothing": {"values": [0.1, 0.2]}}
        parameters = listed if keys["method"] == "grid" else {"momentum": {"min": 0.0, "max": 0.9}}
        sweep = {"repeats": 3, "run_cap": 15, "parameters": parameters, **keys}
        return make_config(sweep=sweep, train={"epochs": 1})

    return make


def test_a_configurations_trials_come_in_a_row(repeated: Callable[..., Config]) -> None:
    config = repeated(method="grid")
    assert space.trial_count(config) == 6
    found = tune(config, lambda spec, epoch: 50, concurrent=2)
    assert [(s.index, s.repeat, s.overrides["label_smoothing"]) for s in found.specs] == [
        (0, 0, 0.1), (1, 1, 0.1), (2, 2, 0.1), (3, 0, 0.2), (4, 1, 0.2), (5, 2, 0.2),
    ]  # fmt: skip


def test_the_sampler_is_told_the_mean(repeated: Callable[..., Config]) -> None:
    """It suggests what it would if each configuration had been tried once and scored the mean."""

    def noisy(spec: TrialSpec, epoch: int) -> float:
        configuration = spec.index // 3
        return 100 - spec.overrides["momentum"] + (spec.repeat - 1) * (configuration % 4)

    def mean(spec: TrialSpec, epoch: int) -> float:
        return 100 - spec.overrides["momentum"]

    found = tune(repeated(method="bayes"), noisy)
    once = tune(repeated(method="bayes", repeats=1), mean)
    assert len(found.specs) == 45
    assert found.values[::3] == found.values[1::3] == found.values[2::3]
    rates = [values["momentum"] for values in found.values[::3]]
    assert rates == pytest.approx([values["momentum"] for values in once.values])
    assert [spec.repeat for spec in found.specs] == [0, 1, 2] * 15


def test_a_failed_repeat_leaves_the_mean_of_the_others(repeated: Callable[..., Config]) -> None:
    def sometimes(spec: TrialSpec, epoch: int) -> float:
        if spec.repeat == 0:
            raise ValueError("out of memory")
        return 100 - spec.overrides["momentum"] + (spec.repeat - 1.5) * 10

    found = tune(repeated(method="bayes"), sometimes)
    once = tune(
        repeated(method="bayes", repeats=1), lambda spec, _: 100 - spec.overrides["momentum"]
    )
    assert [v["momentum"] for v in found.values[::3]] == pytest.approx(
        [v["momentum"] for v in once.values]
    )


def test_the_target_is_the_means(repeated: Callable[..., Config]) -> None:
    """The first configuration has a trial beyond the target, the second a mean."""
    config = repeated(method="grid", metric={"name": METRIC, "target": 60})
    budget = Budget(config.sweep, started=0, clock=lambda: 0)
    scores = [70, 10, 10, 60, 60, 60]
    assert tune(config, lambda spec, _: scores[spec.index], budget=budget).epochs == [1] * 6
    assert budget.ended_by == "target"
    budget = Budget(config.sweep, started=0, clock=lambda: 0)
    scores = [70, 60, 50, 0, 0, 0]
    assert tune(config, lambda spec, _: scores[spec.index], budget=budget).epochs == [1] * 3


def test_max_trials_counts_repeats(repeated: Callable[..., Config]) -> None:
    config = repeated(method="grid", max_trials=4)
    assert space.trial_count(config) == 4
    assert [spec.index for spec in tune(config, lambda *_: 50).specs] == [0, 1, 2, 3]


def test_repeats_differ_in_their_seed_and_the_first_is_as_it_was(
    workshop: Workshop, config: Config
) -> None:
    values = {"learning_rate": 0.01}

    def trained(name: str, **repeat: int) -> dict[str, Any]:
        spec = spec_of(name, values, **repeat)
        session = TrialSession(Training(), workshop.context(config), spec)
        session.step()
        session.close()
        run = workshop.tracker.run(workshop.sweep.run_id(name))
        return {
            "loss": run.summary["train/loss"],
            "seed": workshop.tracker.artifact(run.logged[0]).metadata["seed"],
            "repeat": run.config["repeat"],
        }

    plain, first = trained("trial-0000"), trained("trial-0001", repeat=0)
    second, third = trained("trial-0002", repeat=1), trained("trial-0003", repeat=2)
    assert plain == first
    assert len({each["seed"] for each in (first, second, third)}) == 3
    assert len({each["loss"] for each in (first, second, third)}) == 3
    assert [each["repeat"] for each in (first, second, third)] == [0, 1, 2]


def test_a_target_is_not_reached_by_what_is_left_of_a_configuration(
    repeated: Callable[..., Config],
) -> None:
    def lucky(spec: TrialSpec, epoch: int) -> float:
        if spec.repeat:
            raise ValueError("out of memory")
        return 70

    config = repeated(method="grid", metric={"name": METRIC, "target": 60})
    budget = Budget(config.sweep, started=0, clock=lambda: 0)
    tune(config, lucky, budget=budget)
    assert budget.ended_by == "completed"


def _lost(scores: list[float | None], repeats: int = 1) -> set[int]:
    """The trials that cannot win, of these scores; None: one that has not ended."""
    candidates = [
        Candidate(i, score is not None, {"m": score} if score is not None else None, i % repeats)
        for i, score in enumerate(scores)
    ]
    return cannot_win(candidates, "m", "maximize", repeats)


def test_all_but_the_best_so_far_cannot_win() -> None:
    assert _lost([1.0]) == set()
    assert _lost([1.0, None, 3.0, 2.0]) == {0, 3}
    assert _lost([2.0, 2.0]) == {1}, "ties go to the earlier one"
    assert _lost([float("nan"), None]) == set()


def test_a_configuration_that_lacks_a_repeat_may_still_win() -> None:
    assert _lost([1.0, 3.0, 9.0, None], repeats=2) == {0}
    assert _lost([1.0, 3.0, 9.0, 8.0], repeats=2) == {0, 1, 3}
    assert _lost([5.0, 5.0, 1.0, None, 4.0, 4.0], repeats=2) == {1, 4, 5}


def test_who_has_won_was_never_lost() -> None:
    random = Random(3)
    for _ in range(200):
        repeats = random.choice([1, 2, 3])
        final = [random.choice([1.0, 2.0, 3.0, float("nan")]) for _ in range(repeats * 4)]
        order = random.sample(range(len(final)), len(final))
        seen: list[float | None] = [None] * len(final)
        lost = set[int]()
        for index in order:
            seen[index] = final[index]
            lost |= _lost(seen, repeats)
        candidates = [Candidate(i, True, {"m": s}, i % repeats) for i, s in enumerate(final)]
        ranked = rank_configurations(candidates, "m", "maximize", repeats)
        if ranked[0].scores:
            assert ranked[0].trials[0].index not in lost
