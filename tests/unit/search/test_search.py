"""Where trials come from: the list of a grid, or one of Optuna's samplers, really used."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from raysweep.config import Config, apply
from raysweep.search.spec import TrialSpec
from raysweep.search.suggest import suggest

from tuned import tune

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


def accuracy(spec: TrialSpec, epoch: int) -> float:
    """The best learning rate is 0.01."""
    return 100 - 1000 * abs(spec.overrides["learning_rate"] - 0.01)


def suggestions(config: Config, count: int) -> list[dict[str, Any]]:
    """The first `count` configurations, tried one by one."""
    sweep = config.sweep.model_copy(update={"run_cap": count})
    found = tune(config.model_copy(update={"sweep": sweep}), accuracy)
    assert [spec.index for spec in found.specs] == list(range(count))
    return found.values


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
    ends = {"learning_rate": 1e-4, "label_smoothing": 0.5, "weight_decay": 1.0, "batch_size": 16}
    choices = {"model.kernel_sizes": 1, "schedule": 1, "shuffle": 1}
    trial = optuna.trial.FixedTrial(ends | choices)
    assert suggest(space, trial) == {
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


def test_a_grid_is_gone_through_in_order(config: Config) -> None:
    found = tune(config, lambda spec, epoch: 50)
    assert [spec.name for spec in found.specs] == ["trial-0000", "trial-0001"]
    assert found.values == [{"learning_rate": 0.01}, {"learning_rate": 0.03}]


def test_the_sampler_is_told_a_trials_best_epoch(make_config: Callable[..., Config]) -> None:
    """A trial is as good as its best epoch: what comes after does not change what is suggested."""

    def falling(spec: TrialSpec, epoch: int) -> float:
        return accuracy(spec, epoch) if epoch == 1 else spec.index

    sweep = {"method": "bayes", "run_cap": 20, "parameters": PARAMETERS}
    config = make_config(sweep=sweep, train={"epochs": 2})
    assert tune(config, falling).values == suggestions(config, 20)


def test_trials_that_fail_or_diverge_are_suggested_past(bayes: Config) -> None:
    def unlucky(spec: TrialSpec, epoch: int) -> float:
        if spec.index % 3 == 0:
            raise ValueError("out of memory")
        return math.nan if spec.index % 3 == 1 else accuracy(spec, epoch)

    assert len(tune(bayes, unlucky, concurrent=2).specs) == 20


SPACE: dict[str, dict[str, Any]] = {
    "learning_rate": {"min": 0.001, "max": 0.1},
    "label_smoothing": {"min": 0.0, "max": 0.5},
}
SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "tpe": lambda: optuna.samplers.TPESampler(seed=7),
    "gp": lambda: optuna.samplers.GPSampler(seed=7),
    "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=7),
    "qmc": lambda: optuna.samplers.QMCSampler(seed=7, scramble=True),
    "random": lambda: optuna.samplers.RandomSampler(seed=7),
}


@functools.cache
def optunas_own(name: str) -> list[dict[str, float]]:
    """The first 14 trials that Optuna suggests without raysweep."""

    def objective(trial: optuna.Trial) -> float:
        for name, bounds in SPACE.items():
            trial.suggest_float(name, bounds["min"], bounds["max"])
        return accuracy(TrialSpec(trial.number, trial.params), 1)

    study = optuna.create_study(sampler=SAMPLERS[name](), direction="maximize")
    study.optimize(objective, n_trials=14)
    return [trial.params for trial in study.trials]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_sampler_that_is_named_suggests_the_trials(
    name: str, make_config: Callable[..., Config]
) -> None:
    """As Optuna by itself would, and as no other of the samplers does; its seed decides."""

    def found(**sampler: Any) -> list[dict[str, Any]]:
        sweep = {"method": "bayes", "run_cap": 14, "parameters": SPACE, "sampler": sampler}
        return suggestions(make_config(sweep=sweep, train={"epochs": 1}), 14)

    mine = found(type=name, seed=7)
    assert mine == optunas_own(name)
    assert mine == found(type=name, seed=7)
    assert mine != found(type=name, seed=8)
    for other in SAMPLERS.keys() - {name}:
        assert mine != optunas_own(other)


@pytest.mark.parametrize(
    ("sampler", "option"),
    [
        ({"type": "tpe"}, {"n_startup_trials": 2}),
        ({"type": "tpe"}, {"n_ei_candidates": 3}),
        ({"type": "gp"}, {"n_startup_trials": 2}),
        ({"type": "cmaes"}, {"n_startup_trials": 5}),
        ({"type": "cmaes"}, {"popsize": 4}),
        ({"type": "qmc"}, {"qmc_type": "halton"}),
        ({"type": "qmc"}, {"scramble": False}),
    ],
)
def test_each_option_changes_what_is_suggested(
    sampler: dict[str, Any], option: dict[str, Any], make_config: Callable[..., Config]
) -> None:
    def found(sampler: dict[str, Any]) -> list[dict[str, Any]]:
        sweep = {"method": "bayes", "run_cap": 13, "parameters": SPACE, "sampler": sampler}
        count = 5 if sampler["type"] == "gp" else 13  # each of them fits a process: 0.1 s
        return suggestions(make_config(sweep=sweep, train={"epochs": 1}), count)

    assert found(sampler) != found(sampler | option)


def test_every_sampler_takes_every_kind_of_parameter(make_config: Callable[..., Config]) -> None:
    for name in SAMPLERS:
        sweep = {"method": "bayes", "run_cap": 12, "parameters": PARAMETERS, "sampler": name}
        config = make_config(sweep=sweep, train={"epochs": 1})
        for values in suggestions(config, 12):
            apply(config, values)


def test_without_a_sampler_it_is_tpe_seeded_by_the_sweep(
    bayes: Config, make_config: Callable[..., Config]
) -> None:
    sweep = {"method": "bayes", "run_cap": 20, "parameters": PARAMETERS, "sampler": "tpe"}
    assert suggestions(bayes, 15) == suggestions(make_config(sweep=sweep), 15)
    seeded = {**sweep, "sampler": {"type": "tpe", "seed": 1}}
    other = make_config(sweep=sweep, train={"seed": 1})
    assert suggestions(other, 15) == suggestions(make_config(sweep=seeded), 15)


def test_a_suggestion_that_its_field_refuses_is_asked_for_again(
    make_config: Callable[..., Config],
) -> None:
    """A bell curve has no bounds: about every other draw is no learning rate."""
    parameters = {"learning_rate": {"distribution": "normal", "mu": 0.001, "sigma": 0.01}}
    config = make_config(sweep={"method": "bayes", "run_cap": 20, "parameters": parameters})
    found = tune(config, accuracy)
    assert len(found.values) == 20
    assert all(values["learning_rate"] > 0 for values in found.values)
