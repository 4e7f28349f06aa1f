"""What a sweep's configuration says about its trials, before any of them runs. Without Ray."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

from raysweep.config import Config, Distribution, apply, enumerate_trials, field_of

MOST_ARCHITECTURES = 1000
"""How many combinations are looked at one by one before a bayes sweep starts."""


def trial_count(config: Config) -> int:
    """How many trials there will be, each configuration's repeats counted, unless the sweep's
    target, time or epochs end it before."""
    return min(unlimited_trial_count(config), config.sweep.max_trials or sys.maxsize)


def unlimited_trial_count(config: Config) -> int:
    """How many trials there would be without any budget."""
    return configuration_count(config) * config.sweep.repeats


def configuration_count(config: Config) -> int:
    """How many configurations there are, or will be suggested."""
    if config.sweep.method == "bayes":
        assert config.sweep.cap is not None, "the schema asks bayes for a run_cap or a budget"
        return config.sweep.cap
    return len(enumerate_trials(config))


def sweeps_the_model(config: Config) -> bool:
    """Whether trials differ in their untrained model."""
    return any(field_of(name).startswith("model.") for name in config.sweep.parameters)


def architectures(config: Config) -> list[dict[str, Any]]:
    """The distinct model configurations that trials start from, in the order of the trials.

    For bayes, which chooses as it goes, those it may choose: at most MOST_ARCHITECTURES, and of a
    continuous range (of the dropout, say) its edges stand for all of it.
    """
    trials = _possible(config) if config.sweep.method == "bayes" else enumerate_trials(config)
    models = [apply(config, values).model.model_dump(mode="json") for values in trials]
    return list({json.dumps(model, sort_keys=True): model for model in models}.values())


def _possible(config: Config) -> list[dict[str, Any]]:
    """Combinations of the model's swept fields."""
    swept = {
        name: _listed(distribution)
        for name, distribution in config.sweep.space().items()
        if field_of(name).startswith("model.")
    }
    combinations = itertools.islice(itertools.product(*swept.values()), MOST_ARCHITECTURES)
    return [dict(zip(swept, values, strict=True)) for values in combinations]


def _listed(distribution: Distribution) -> list[Any]:
    """The values, the first MOST_ARCHITECTURES of them: a seed may have 2^63."""
    if distribution.size is None:
        return [value for _, value in distribution.edges()]
    return [distribution.at(i) for i in range(min(distribution.size, MOST_ARCHITECTURES))]


def longest_epochs(config: Config) -> int:
    """The most epochs that any trial trains."""
    swept = [
        int(value)
        for name, distribution in config.sweep.space().items()
        if field_of(name) == "train.epochs"
        for value in _epochs(config, name, distribution)
    ]
    return max(swept, default=config.train.epochs)


def _epochs(config: Config, name: str, distribution: Distribution) -> list[Any]:
    """Values that the longest trial's is among. A bell curve has no last one: of a list of trials
    it is the longest there, and bayes would have to go 8 sigma out to pass what is given here."""
    if distribution.size is not None:
        return [value for _, value in distribution.edges()]
    if config.sweep.method == "bayes":
        return [distribution.quantile(1.0)]
    return [trial[name] for trial in enumerate_trials(config)]
