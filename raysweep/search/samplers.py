"""Make Optuna's sampler from `sweep.sampler`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, create_trial

from raysweep.config import SamplerConfig


def silence_optuna() -> None:
    """Silence Optuna's log of each study and trial, and its advice on a faster package."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def make_sampler(
    wanted: SamplerConfig, seed: int, known: Sequence[FrozenTrial] = ()
) -> BaseSampler:
    """Make the sampler, seeded with its own seed if it has one, else with `seed`.

    `known`: completed trials from which CMA-ES starts; other samplers find them in the study. What
    a sampler cannot suggest (CMA-ES and QMC: a choice) is drawn at random, without Optuna's
    warning: the schema documents it.
    """
    own = seed if wanted.seed is None else wanted.seed
    options: dict[str, Any] = {"seed": own % 2**32, **wanted.options()}  # numpy takes 32 bits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match wanted.type:
            case "tpe":
                return optuna.samplers.TPESampler(**options)
            case "gp":
                return optuna.samplers.GPSampler(**options)
            case "cmaes":
                if source := _for_cmaes(known):
                    options["source_trials"] = source
                return optuna.samplers.CmaEsSampler(**options, warn_independent_sampling=False)
            case "qmc":
                options = {"scramble": True, **options, "warn_asynchronous_seeding": False}
                return optuna.samplers.QMCSampler(**options, warn_independent_sampling=False)
            case "random":
                return optuna.samplers.RandomSampler(**options)


FEWEST_SOURCE_TRIALS = 10
"""CMA-ES starts from the best tenth of them, which must be at least one."""


def _for_cmaes(known: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Reduce the trials to the parameters that CMA-ES searches: numbers with more than one value.
    Return none if there are too few trials, or no such parameter."""
    reduced = []
    for trial in known:
        searched: dict[str, BaseDistribution] = {
            name: distribution
            for name, distribution in trial.distributions.items()
            if isinstance(distribution, (FloatDistribution, IntDistribution))
            and not distribution.single()
        }
        if searched:
            params = {name: trial.params[name] for name in searched}
            reduced.append(create_trial(params=params, distributions=searched, value=trial.value))
    return reduced if len(reduced) >= FEWEST_SOURCE_TRIALS else []
