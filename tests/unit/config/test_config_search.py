"""Samplers, budgets and repeats in a config, and the messages for invalid ones."""

from __future__ import annotations

from typing import Any

import pytest

from raysweep.config import Config, SweepConfig
from raysweep.errors import ConfigError


def sweep(**keys: Any) -> SweepConfig:
    parameters = {"learning_rate": {"min": 0.1, "max": 0.2}}
    default = {"method": "bayes", "run_cap": 3, "parameters": parameters}
    return Config.from_dict({"sweep": {**default, **keys}}).sweep


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(90, 90), (0.5, 0.5), ("90", 90), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("1 d", 86400)],
)
def test_a_time_is_seconds_or_has_a_unit(written: Any, seconds: float) -> None:
    found = sweep(max_time=written)
    assert found.max_time == seconds
    assert SweepConfig.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"method": "bayes"}, "pbt: method bayes learns from values that never change"),
        ({"repeats": 2}, "pbt: cannot be combined with repeats; leave one of them out"),
        ({"early_terminate": {"type": "median"}}, "pbt: cannot be combined with early_terminate"),
        (
            {"parameters": {"model.dropout": {"values": [0.1, 0.2]}}},
            "parameters.model.dropout: pbt cannot change it in mid-training; it can change "
            "learning_rate, weight_decay, momentum, batch_size, shuffle, schedule, label_smoothing",
        ),
        ({"parameters": {"epochs": {"values": [1, 2]}}}, "parameters.epochs: pbt cannot change it"),
        ({"pbt": {"quantile": 0.6}}, "pbt.quantile: expected at most 0.5, got 0.6"),
        ({"pbt": {"quantile": 0}}, "pbt.quantile: expected more than 0, got 0"),
        ({"pbt": {"interval": 0}}, "pbt.interval: expected at least 1, got 0"),
        ({"pbt": {"resample_probability": 2}}, "pbt.resample_probability: expected at most 1"),
        ({"pbt": {"intervall": 2}}, "pbt.intervall: unknown key; did you mean interval?"),
    ],
)
def test_an_invalid_population_is_refused_in_one_line(keys: dict[str, Any], message: str) -> None:
    assert sweep(method="random", pbt={}).pbt is not None
    with pytest.raises(ConfigError) as caught:
        sweep(**{"method": "random", "pbt": {}, **keys})
    assert str(caught.value).startswith(f"sweep.{message}")


@pytest.mark.parametrize(
    ("keys", "cap"),
    [
        ({"run_cap": 5, "max_trials": 3}, 5),
        ({"max_trials": 7}, 8),
        ({"max_trials": 7, "repeats": 2}, 5),
        ({"max_trials": 7, "max_epochs_total": 6}, 7),
        ({"max_time": "1h", "max_epochs_total": 6}, 7),
        ({"max_time": "1h"}, 1000),
        ({"method": "grid", "parameters": {"epochs": {"values": [1, 2]}}, "max_trials": 1}, None),
    ],
)
def test_a_budget_says_how_many_configurations_where_run_cap_does_not(
    keys: dict[str, Any], cap: int | None
) -> None:
    assert sweep(**{"run_cap": None, **keys}).cap == cap


def test_without_any_of_them_there_is_no_end() -> None:
    with pytest.raises(ConfigError, match="or give max_trials, max_epochs_total or max_time"):
        sweep(run_cap=None)
    with pytest.raises(ConfigError, match="run_cap: missing"):
        sweep(run_cap=None, metric={"name": "train/loss", "target": 0.1})


def test_a_sampler_is_a_name_or_a_mapping() -> None:
    assert sweep(sampler="gp") == sweep(sampler={"type": "gp"})
    options = {"type": "cmaes", "seed": 3, "popsize": 6, "n_startup_trials": 2}
    sampler = sweep(sampler=options).sampler
    assert sampler is not None
    assert sampler.options() == {"popsize": 6, "n_startup_trials": 2}
    assert sampler.seed == 3


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"max_time": 0}, "max_time: expected a time of more than 0 seconds, as 90, 90s, 30m, 2h"),
        ({"max_time": "2 weeks"}, "max_time: expected a time of more than 0 seconds"),
        ({"max_time": True}, "max_time: expected a time"),
        ({"max_time": float("nan")}, "max_time: expected a time"),
        ({"max_time": 10**400}, "max_time: expected a time"),
        ({"max_trials": 0}, "max_trials: expected at least 1, got 0"),
        ({"max_epochs_total": 1.5}, "max_epochs_total: expected an integer, got 1.5"),
        ({"max_epochs": 3}, "max_epochs: unknown key; did you mean max_epochs_total?"),
        ({"repeats": 0}, "repeats: expected at least 1, got 0"),
        ({"metric": {"name": "train/loss", "target": "low"}}, "metric.target: expected a number"),
        ({"sampler": "tpee"}, "sampler.type: expected one of tpe, gp, cmaes, qmc, random"),
        ({"sampler": 3}, "sampler: expected a mapping, got 3"),
        ({"sampler": {}}, "sampler.type: missing"),
        (
            {"sampler": {"type": "gp", "popsize": 4}},
            "sampler.popsize: no option of sampler gp, which takes n_startup_trials, seed; got 4",
        ),
        ({"sampler": {"type": "qmc", "qmc_type": "sobl"}}, "did you mean sobol?"),
        ({"sampler": {"type": "tpe", "sead": 4}}, "sampler.sead: unknown key; did you mean seed?"),
        (
            {"method": "random", "sampler": "tpe"},
            "sampler: method random uses no sampler; leave it out, or use method bayes",
        ),
    ],
)
def test_an_invalid_setting_is_refused_in_one_line(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep(**keys)
    assert str(caught.value).startswith("sweep.")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
