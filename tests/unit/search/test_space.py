"""What a configuration says about its trials before any of them runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raysweep.config import Config, enumerate_trials
from raysweep.search import space

Make = Callable[..., Config]


def architectures(config: Config) -> list[dict[str, Any]]:
    return [each.model.model_dump(mode="json") for each in space.distinct(config, "model")]


def grid(**parameters: Any) -> dict[str, Any]:
    """A grid; `__` in a name stands for a dot."""
    named = {name.replace("__", "."): value for name, value in parameters.items()}
    return {"method": "grid", "parameters": named}


RATES = {"distribution": "uniform", "min": 0.001, "max": 0.1}


@pytest.mark.parametrize(
    ("sweep", "count"),
    [
        (grid(learning_rate={"values": [1e-3, 1e-2]}, batch_size={"values": [32, 64, 128]}), 6),
        (grid(learning_rate={"values": [1e-3, 1e-2, 1e-1]}) | {"run_cap": 2}, 2),
        (grid(learning_rate={"value": 0.01}), 1),
        (grid(), 1),
        ({"method": "random", "run_cap": 7, "parameters": {"learning_rate": RATES}}, 7),
        (
            {
                "method": "random",
                "run_cap": 9,
                "parameters": {"shuffle": {"values": [True, False]}},
            },
            2,
        ),
        ({"method": "bayes", "run_cap": 5, "parameters": {"learning_rate": RATES}}, 5),
    ],
    ids=["product", "capped", "one value", "nothing swept", "random", "exhausted", "bayes"],
)
def test_trials_are_counted(make_config: Make, sweep: dict[str, Any], count: int) -> None:
    assert space.trial_count(make_config(sweep=sweep)) == count


def test_only_a_swept_field_of_the_model_makes_trials_start_differently(make_config: Make) -> None:
    rate = make_config(sweep=grid(learning_rate={"values": [1e-3, 1e-2]}))
    dropout = make_config(sweep=grid(model__dropout={"values": [0.3, 0.5]}))
    assert not space.sweeps("initialize", rate)
    assert space.sweeps("initialize", dropout)
    assert architectures(rate) == [rate.model.model_dump(mode="json")]


def test_architectures_are_the_distinct_ones(make_config: Make) -> None:
    config = make_config(
        sweep=grid(
            learning_rate={"values": [1e-3, 1e-2]},
            model__kernel_sizes={"values": [[3], [5]]},
            model__hidden_layer_sizes={"values": [[4, 8], [8, 4], [2]]},
        )
    )
    found = [
        (tuple(model["kernel_sizes"]), tuple(model["hidden_layer_sizes"]))
        for model in architectures(config)
    ]
    assert len(found) == len(set(found)) == 6
    seeds = make_config(sweep=grid(model__seed={"value": 3}, model__dropout={"value": 0.5}))
    assert [model["seed"] for model in architectures(seeds)] == [3]


def test_a_draw_decides_its_architecture(make_config: Make) -> None:
    """Of a continuum, the very values that trials get: not its edges, which no trial has."""
    parameters = {"model.dropout": {"min": 0.1, "max": 0.4}, "learning_rate": RATES}
    config = make_config(sweep={"method": "random", "run_cap": 3, "parameters": parameters})
    dropouts = [model["dropout"] for model in architectures(config)]
    assert dropouts == [trial["model.dropout"] for trial in enumerate_trials(config)]


def test_what_bayes_may_choose_is_listed_whole_and_a_range_by_its_edges(make_config: Make) -> None:
    """A size between the edges may be the one that leaves no pixels or too few classes."""

    def listed(field: str, low: float, high: float) -> list[Any]:
        parameters = {f"model.{field}": {"min": low, "max": high}, "learning_rate": RATES}
        config = make_config(sweep={"method": "bayes", "run_cap": 3, "parameters": parameters})
        return [model[field] for model in architectures(config)]

    assert listed("num_classes", 9, 12) == [9, 10, 11, 12]
    assert listed("dropout", 0.1, 0.4) == [0.1, 0.4]
    assert len(listed("seed", 0, 2**62)) == space.MOST_SETTINGS


def test_a_vast_random_space_costs_only_its_draws(make_config: Make) -> None:
    parameters = {"model.seed": {"min": 0, "max": 2**62}}
    config = make_config(sweep={"method": "random", "run_cap": 2, "parameters": parameters})
    assert len(architectures(config)) == 2


@pytest.mark.parametrize(
    ("parameters", "longest"),
    [
        ({"learning_rate": {"value": 0.1}}, 3),
        ({"epochs": {"values": [2, 9, 4]}}, 9),
        ({"train.epochs": {"min": 2, "max": 7}}, 7),
        ({"epochs": {"value": 1}}, 1),
    ],
)
def test_the_longest_trial(make_config: Make, parameters: dict[str, Any], longest: int) -> None:
    sweep = {"method": "grid", "parameters": parameters}
    assert space.longest_epochs(make_config(sweep=sweep)) == longest


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_no_trial_is_longer_than_the_longest_where_epochs_have_no_bound(
    make_config: Make, method: str
) -> None:
    curve = {"distribution": "q_normal", "mu": 20, "sigma": 2}
    sweep = {"method": method, "run_cap": 20, "parameters": {"epochs": curve}}
    longest = space.longest_epochs(make_config(sweep=sweep))
    drawn = enumerate_trials(make_config(sweep={**sweep, "method": "random"}))
    assert longest >= max(trial["epochs"] for trial in drawn) > 20
    assert longest <= 40
