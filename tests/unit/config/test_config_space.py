"""Trials: the grid's product, random draws without repeats, and values applied to a config."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysweep.config import (
    Config,
    SweepConfig,
    apply,
    combinations,
    configurations,
    enumerate_trials,
    field_of,
    trials_of,
)
from raysweep.config import trials as space
from raysweep.errors import ConfigError

quick = settings(deadline=None, max_examples=60)

FIELDS = ["epochs", "batch_size", "seed", "model.seed"]
SPACES = st.lists(st.integers(1, 4), max_size=4).map(
    lambda sizes: {
        name: {"values": list(range(10, 10 + size))}
        for name, size in zip(FIELDS, sizes, strict=False)
    }
)


def config(
    method: str, parameters: dict[str, Any], run_cap: int | None = None, seed: int = 0
) -> Config:
    sweep = {"method": method, "parameters": parameters, "run_cap": run_cap}
    return Config.from_dict({"sweep": sweep, "train": {"seed": seed}})


def product(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    lists = [each["values"] for each in parameters.values()]
    return [dict(zip(parameters, values, strict=True)) for values in itertools.product(*lists)]


def unique(trials: list[dict[str, Any]]) -> int:
    return len({tuple(trial.items()) for trial in trials})


@quick
@given(SPACES, st.none() | st.integers(1, 20))
def test_a_grid_is_the_product_in_order_up_to_run_cap(
    parameters: dict[str, Any], run_cap: int | None
) -> None:
    assert enumerate_trials(config("grid", parameters, run_cap)) == product(parameters)[:run_cap]


def test_a_grid_keeps_the_files_order_and_goes_through_steps_and_constants() -> None:
    parameters = {
        "optimizer": {"value": "SGD"},
        "model.dropout": {"min": 0.1, "max": 0.2, "q": 0.1},
        "epochs": {"min": 1, "max": 2},
    }
    assert enumerate_trials(config("grid", parameters)) == [
        {"optimizer": "SGD", "model.dropout": 0.1, "epochs": 1},
        {"optimizer": "SGD", "model.dropout": 0.1, "epochs": 2},
        {"optimizer": "SGD", "model.dropout": 0.2, "epochs": 1},
        {"optimizer": "SGD", "model.dropout": 0.2, "epochs": 2},
    ]
    assert list(enumerate_trials(config("grid", parameters))[0]) == list(parameters)


@quick
@given(SPACES, st.integers(1, 300), st.integers(0, 9))
def test_random_draws_a_discrete_space_without_repeats_until_it_is_exhausted(
    parameters: dict[str, Any], run_cap: int, seed: int
) -> None:
    trials = enumerate_trials(config("random", parameters, run_cap, seed))
    everything = product(parameters)
    assert all(trial in everything for trial in trials)
    assert unique(trials) == len(trials) == min(run_cap, len(everything))


@pytest.mark.parametrize(
    "parameters",
    [
        {"learning_rate": {"min": 0.1, "max": 0.2}, "epochs": {"values": [1, 2]}},
        {"epochs": {"values": [1, 2, 3]}, "batch_size": {"min": 1, "max": 10**9}},
        {"batch_size": {"min": 1, "max": 2**62}},
        {"epochs": {"values": [1, 2, 3], "probabilities": [0.6, 0.3, 0.1]}},
    ],
    ids=["mixed", "discrete", "huge", "weighted"],
)
def test_random_is_reproducible_and_a_larger_cap_only_adds(parameters: dict[str, Any]) -> None:
    few = enumerate_trials(config("random", parameters, 2))
    more = enumerate_trials(config("random", parameters, 3))
    assert len(more) == unique(more) == 3
    assert more[:2] == few
    assert more == enumerate_trials(config("random", parameters, 3))
    assert more != enumerate_trials(config("random", parameters, 3, seed=1))


def test_random_goes_first_where_the_probability_is() -> None:
    parameters = {"epochs": {"values": [1, 2, 3], "probabilities": [0.98, 0.02, 0.0]}}
    trials = enumerate_trials(config("random", parameters, 5))
    assert trials == [{"epochs": 1}, {"epochs": 2}]  # and 3, of no probability, never


def test_a_space_of_few_rounded_values_ends() -> None:
    parameters = {"epochs": {"min": 1, "max": 3, "distribution": "q_log_uniform_values"}}
    trials = enumerate_trials(config("random", parameters, 50))
    assert sorted(trial["epochs"] for trial in trials) == [1, 2, 3]


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({"epochs": {"values": [1, 2, 3], "probabilities": [0.7, 0.2, 0.1]}}, 3),
        ({"model.dropout": {"min": 0.1, "max": 0.4, "q": 0.1}}, 4),
        ({"model.dropout": {"distribution": "q_beta", "a": 2, "b": 2, "q": 0.4}}, 3),
        (
            {
                "epochs": {"values": [1, 2], "probabilities": [0.9, 0.1]},
                "batch_size": {"distribution": "q_log_uniform_values", "min": 8, "max": 32, "q": 8},
                "shuffle": {"values": [True, False]},
            },
            16,
        ),
    ],
    ids=["weighted", "rounded", "q_beta", "all"],
)
def test_random_ends_when_a_space_of_uneven_values_is_exhausted(
    parameters: dict[str, Any], size: int
) -> None:
    trials = enumerate_trials(config("random", parameters, 500))
    assert unique(trials) == len(trials) == size


@pytest.mark.parametrize("kind", ["q_uniform", "q_log_uniform_values"])
def test_a_grid_goes_through_the_multiples_of_a_quantum(kind: str) -> None:
    parameters = {"batch_size": {"distribution": kind, "min": 8, "max": 40, "q": 16}}
    trials = enumerate_trials(config("grid", parameters, 100))
    assert [trial["batch_size"] for trial in trials] == [16, 32]


def test_configurations_are_lazy_where_there_is_no_cap() -> None:
    sweep = SweepConfig.model_validate(
        {"method": "random", "parameters": {"anything": {"distribution": "normal"}}}
    )
    assert len(list(itertools.islice(configurations(sweep, seed=0), 7))) == 7
    assert combinations(sweep) is None


def test_a_sweep_without_parameters_is_one_trial() -> None:
    assert enumerate_trials(config("grid", {})) == [{}]
    assert enumerate_trials(config("random", {}, 5)) == [{}]


def test_a_draw_that_its_field_refuses_is_drawn_again() -> None:
    parameters = {"learning_rate": {"distribution": "normal", "mu": 0.1, "sigma": 1.0}}
    found = enumerate_trials(config("random", parameters, 20))
    assert len(found) == 20
    assert all(trial["learning_rate"] > 0 for trial in found)


def test_a_distribution_mostly_outside_its_field_is_refused() -> None:
    parameters = {"momentum": {"distribution": "normal", "mu": 0.5, "sigma": 1e9}}
    with pytest.raises(ConfigError, match=r"^sweep\.parameters\.momentum: expected .*, got "):
        enumerate_trials(config("random", parameters, 20))


def test_more_trials_than_can_run_are_refused() -> None:
    parameters = {"learning_rate": {"min": 0.1, "max": 0.2}}
    with pytest.raises(ConfigError, match=r"^sweep\.run_cap: 10,000,000, but at most 10,000 can"):
        enumerate_trials(config("random", parameters, 10_000_000))


def test_apply_puts_values_in_place_and_leaves_the_config_alone() -> None:
    before = Config()
    values = {"learning_rate": 0.1, "train.epochs": 7, "model.hidden_layer_sizes": [16, 32]}
    after = apply(before, values)
    assert after.train == before.train.model_copy(update={"learning_rate": 0.1, "epochs": 7})
    assert after.model.hidden_layer_sizes == (16, 32)
    assert after.sweep == before.sweep
    assert before == Config()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rte": 1}, "sweep.parameters.learning_rte: unknown parameter; did you mean"),
        ({"data.root": "x"}, "sweep.parameters.data.root: data.root is fixed for the sweep"),
        ({"epochs": 1.5}, "sweep.parameters.epochs: expected an integer, got 1.5"),
        (
            {"model.kernel_sizes": [3, 0]},
            "sweep.parameters.model.kernel_sizes[1]: expected at least 1, got 0",
        ),
    ],
)
def test_apply_refuses_what_the_schema_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply(Config(), values)
    assert str(caught.value).startswith(message)


def test_a_bare_name_is_a_field_of_train() -> None:
    assert field_of("learning_rate") == "train.learning_rate"
    assert field_of("model.dropout") == "model.dropout"


def test_the_goal_follows_from_the_metrics_name() -> None:
    def goal(name: str) -> str:
        sweep = {"method": "grid", "parameters": {}, "metric": {"name": name}}
        return Config.from_dict({"sweep": sweep}).sweep.metric.goal

    assert goal("validation/loss") == goal("train/loss") == "minimize"
    assert goal("validation/accuracy") == "maximize"


def test_a_sweeps_trials_are_listed_and_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a sweep starts, it asks for them several times, with copies of its config."""
    checked = []
    apply_once = space.apply
    monkeypatch.setattr(space, "apply", lambda *of: checked.append(of) or apply_once(*of))
    drawn = {"learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1}}
    first = config("random", drawn, run_cap=50)
    listed = enumerate_trials(first)
    elsewhere = first.data.model_copy(update={"root": "/elsewhere"})
    again = enumerate_trials(first.model_copy(update={"data": elsewhere}))
    assert again == listed and len(checked) == 50
    listed.clear()
    assert enumerate_trials(first) == again, "what a caller does with the list is its own affair"


MILLION = {
    "learning_rate": {"distribution": "q_uniform", "min": 0.001, "max": 0.1, "q": 0.001},
    "batch_size": {"min": 1, "max": 100},
    "model.dropout": {"distribution": "q_uniform", "min": 0.0, "max": 0.99, "q": 0.01},
}


def test_a_million_combinations_are_neither_listed_nor_checked_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = []
    apply_once = space.apply
    monkeypatch.setattr(space, "apply", lambda *of: checked.append(of) or apply_once(*of))
    tracemalloc.start()
    try:
        trials = trials_of(config("grid", MILLION))
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
    assert len(trials) == 1_000_000
    assert 1000 <= len(checked) <= 1002
    assert [trials[i]["batch_size"] for i in (0, 99, 100, -1)] == [1, 1, 2, 100]
    assert trials[123_456] == {"learning_rate": 0.013, "batch_size": 35, "model.dropout": 0.56}
    assert trials[:3] == enumerate_trials(config("grid", MILLION, 3))
    assert len(trials_of(config("grid", MILLION, 20_000))) == 20_000


def test_another_config_has_trials_of_its_own() -> None:
    drawn = {"model.dropout": {"min": 0.0, "max": 0.5}}
    first = config("random", drawn, run_cap=3)
    others = [config("random", drawn, run_cap=4), config("random", drawn, run_cap=3, seed=1)]
    listed = [enumerate_trials(each) for each in (first, *others, first)]
    assert [len(each) for each in listed] == [3, 4, 3, 3]
    assert listed[0] == listed[3] != listed[2]
