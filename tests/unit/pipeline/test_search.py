"""What the `sweep` section asks of Ray Tune: the list of trials, Optuna's suggestions, ASHA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from ray.tune.experiment import Trial

from raysweep.config import Config, apply
from raysweep.pipeline import search
from raysweep.pipeline.suggest import suggest
from raysweep.pipeline.trainable import TrialSpec

PARAMETERS: dict[str, dict[str, Any]] = {
    "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "label_smoothing": {"min": 0.0, "max": 0.5},
    "weight_decay": {"distribution": "q_uniform", "min": 0.1, "max": 0.5, "q": 0.1},
    "batch_size": {"min": 16, "max": 64},
    "model.kernel_sizes": {"values": [[3], [3, 5], [5]]},
    "schedule": {"values": ["none", "cosine"]},
    "shuffle": {"values": [True, False]},
    "optimizer": {"value": "SGD"},
}


@pytest.fixture
def bayes(make_config: Callable[..., Config]) -> Config:
    return make_config(sweep={"method": "bayes", "run_cap": 20, "parameters": PARAMETERS})


def suggestions(config: Config, count: int) -> list[dict[str, Any]]:
    """What the algorithm suggests to Tune when each trial scores by its learning rate."""
    algorithm = search.algorithm(config)
    assert algorithm is not None
    found = []
    for i in range(count):
        spec = TrialSpec.from_config(algorithm.suggest(f"trial-{i}"))
        assert spec.index == i
        values = dict(spec.overrides)
        found.append(values)
        score = 100 - 1000 * abs(values["learning_rate"] - 0.01)
        algorithm.on_trial_complete(f"trial-{i}", {config.sweep.metric.name: score})
    return found


def test_every_suggestion_fits_the_field_it_sets(bayes: Config) -> None:
    found = suggestions(bayes, 20)
    for values in found:
        assert values.keys() == PARAMETERS.keys()
        assert 1e-4 <= values["learning_rate"] <= 1e-1
        assert 0 <= values["label_smoothing"] <= 0.5
        assert values["weight_decay"] in (0.1, 0.2, 0.3, 0.4, 0.5)
        assert isinstance(values["batch_size"], int)
        assert 16 <= values["batch_size"] <= 64
        assert list(values["model.kernel_sizes"]) in PARAMETERS["model.kernel_sizes"]["values"]
        assert values["schedule"] in ("none", "cosine")
        assert values["shuffle"] in (True, False)
        assert values["optimizer"] == "SGD"
        apply(bayes, values)
    assert len({values["learning_rate"] for values in found}) > 10
    assert len({values["batch_size"] for values in found}) > 5


def test_the_edges_of_a_distribution_can_be_suggested(bayes: Config) -> None:
    space = bayes.sweep.space()
    ends = {"learning_rate": 1e-4, "label_smoothing": 0.5, "weight_decay": 1, "batch_size": 16}
    choices = {"model.kernel_sizes": 1, "schedule": 1, "shuffle": 1}
    trial = optuna.trial.FixedTrial(ends | choices)
    assert TrialSpec.from_config(suggest(space, trial)).overrides == {
        "learning_rate": 1e-4,
        "label_smoothing": 0.5,
        "weight_decay": 0.5,
        "batch_size": 16,
        "model.kernel_sizes": [3, 5],
        "schedule": "cosine",
        "shuffle": False,
        "optimizer": "SGD",
    }


def test_the_seed_decides_what_is_suggested(
    bayes: Config, make_config: Callable[..., Config]
) -> None:
    sweep = {"method": "bayes", "run_cap": 20, "parameters": PARAMETERS}
    other = make_config(sweep=sweep, train={"seed": 1})
    assert suggestions(bayes, 15) == suggestions(bayes, 15)
    assert suggestions(bayes, 15) != suggestions(other, 15)


def test_the_search_follows_the_goal(bayes: Config) -> None:
    late = [values["learning_rate"] for values in suggestions(bayes, 40)[20:]]
    drawn = sum(0.003 < rate < 0.03 for rate in late) / len(late)
    assert drawn > 1 / 2, "a third of the range, taken evenly, would be drawn a third of the time"


def test_a_grid_is_handed_over_whole(config: Config) -> None:
    assert search.algorithm(config) is None
    assert search.samples(config) == 1
    assert search.scheduler(config) is None
    (listed,) = search.param_space(config).values()
    assert listed["grid_search"] == [
        {"index": 0, "overrides": {"learning_rate": 0.01}},
        {"index": 1, "overrides": {"learning_rate": 0.03}},
    ]


def test_bayes_asks_as_often_as_the_cap_says(bayes: Config) -> None:
    assert search.param_space(bayes) == {}
    assert search.samples(bayes) == 20


@pytest.mark.parametrize(
    ("metric", "values", "answers"),
    [
        ("validation/accuracy", [90.0, 10.0], ["CONTINUE", "STOP"]),
        ("train/loss", [0.1, 9.0], ["CONTINUE", "STOP"]),
        ("train/loss", [9.0, 0.1], ["CONTINUE", "CONTINUE"]),
    ],
)
def test_hyperband_is_asha_on_the_sweeps_metric(
    make_config: Callable[..., Config], metric: str, values: list[float], answers: list[str]
) -> None:
    scheduler = search.scheduler(make_config(sweep=with_hyperband(metric)))
    assert scheduler is not None
    trials = [Trial("stub", trial_id=f"trial-{i}", stub=True) for i in range(2)]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    for trial, value, answer in zip(trials, values, answers, strict=True):
        result = {"training_iteration": 1, metric: value}
        assert scheduler.on_trial_result(None, trial, result) == answer


def test_hyperband_lets_the_longest_trial_run_to_its_end(
    make_config: Callable[..., Config],
) -> None:
    scheduler = search.scheduler(make_config(sweep=with_hyperband("train/loss")))
    assert scheduler is not None
    trial = Trial("stub", trial_id="trial-0", stub=True)
    scheduler.on_trial_add(None, trial)
    for epoch in range(1, 9):
        result = {"training_iteration": epoch, "train/loss": 1.0}
        assert scheduler.on_trial_result(None, trial, result) == "CONTINUE"


def with_hyperband(metric: str) -> dict[str, Any]:
    return {
        "method": "grid",
        "metric": {"name": metric},
        "parameters": {"epochs": {"values": [2, 9]}},
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
    }
