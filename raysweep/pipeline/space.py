"""What a sweep's configuration says about its trials, before any of them runs. Without Ray."""

from __future__ import annotations

import itertools
from typing import Any

from raysweep.config import Config, apply, enumerate_trials, target

MOST_ARCHITECTURES = 1000
"""How many combinations are looked at one by one before a sweep starts."""


def trial_count(config: Config) -> int:
    """How many trials there will be."""
    if config.sweep.method == "bayes":
        assert config.sweep.run_cap is not None, "the schema asks bayes for a run_cap"
        return config.sweep.run_cap
    return len(enumerate_trials(config))


def sweeps_the_model(config: Config) -> bool:
    """Whether trials differ in their untrained model."""
    return any(target(name).startswith("model.") for name in config.sweep.parameters)


def architectures(config: Config) -> list[dict[str, Any]]:
    """The distinct model configurations that trials may start from, as far as they can be listed.

    Of a range (of the dropout, say) its edges stand for all of it.
    """
    swept = {
        name: distribution.values or [value for _, value in distribution.edges()]
        for name, distribution in config.sweep.space().items()
        if target(name).startswith("model.")
    }
    combinations = itertools.product(*swept.values())
    models = [
        apply(config, dict(zip(swept, values, strict=True))).model.model_dump(mode="json")
        for values in itertools.islice(combinations, MOST_ARCHITECTURES)
    ]
    return [model for i, model in enumerate(models) if model not in models[:i]]


def longest_epochs(config: Config) -> int:
    """The most epochs that any trial trains."""
    swept = [
        int(value)
        for name, distribution in config.sweep.space().items()
        if target(name) == "train.epochs"
        for _, value in distribution.edges()
    ]
    return max(swept, default=config.train.epochs)
