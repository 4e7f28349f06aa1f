"""The config's `sweep` section in Ray Tune's terms: search algorithm and scheduler."""

from __future__ import annotations

import functools
from typing import Any

import optuna
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from raysweep.config import Config, enumerate_trials
from raysweep.pipeline.space import longest_epochs
from raysweep.pipeline.suggest import suggest
from raysweep.pipeline.trainable import TrialSpec

MODES = {"minimize": "min", "maximize": "max"}


def param_space(config: Config) -> dict[str, Any]:
    """Grid and random: the very list of trials. Bayes: nothing, the algorithm suggests."""
    if config.sweep.method == "bayes":
        return {}
    trials = [TrialSpec(i, values) for i, values in enumerate(enumerate_trials(config))]
    return {"trial": tune.grid_search([trial.to_config()["trial"] for trial in trials])}


def algorithm(config: Config) -> OptunaSearch | None:
    """Optuna's TPE for `bayes`, seeded by `train.seed`; None where the list says it all."""
    if config.sweep.method != "bayes":
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return OptunaSearch(
        space=functools.partial(suggest, config.sweep.space()),
        metric=config.sweep.metric.name,
        mode=MODES[config.sweep.metric.goal],
        sampler=optuna.samplers.TPESampler(seed=config.train.seed),
    )


def samples(config: Config) -> int:
    """How often Tune asks: once for the whole list, or once for each suggestion."""
    return (config.sweep.run_cap or 1) if config.sweep.method == "bayes" else 1


def scheduler(config: Config) -> AsyncHyperBandScheduler | None:
    """`early_terminate: hyperband` as ASHA; None lets every trial run to its end."""
    halving = config.sweep.early_terminate
    if halving is None:
        return None
    return AsyncHyperBandScheduler(
        time_attr="training_iteration",
        metric=config.sweep.metric.name,
        mode=MODES[config.sweep.metric.goal],
        max_t=max(longest_epochs(config), halving.grace_period),
        grace_period=halving.grace_period,
        reduction_factor=halving.reduction_factor,
    )
