"""Derive from a config what its trials will be, before any of them runs. Without Ray."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from raysweep.config import Config, Distribution, Grid, apply, field_of, trials_of

MOST_SETTINGS = 1000
"""How many combinations of a sweep that does not list its trials are checked one by one before it
starts."""

DEPENDS = {
    "load": ("data",),
    "preprocess": ("data", "preprocess"),
    "initialize": ("model",),
}
"""Stage → the sections of the config that determine its output."""


def trial_count(config: Config) -> int:
    """Return the number of trials, repeats included, unless a budget or the target ends the sweep
    early."""
    sweep = config.sweep
    limits = (sweep.max_trials, sweep.max_epochs_total)
    return min(unlimited_trial_count(config), *(limit or sys.maxsize for limit in limits))


def unlimited_trial_count(config: Config) -> int:
    """Return the number of trials without any budget."""
    return configuration_count(config) * config.sweep.repeats


def configuration_count(config: Config) -> int:
    """Return the number of configurations that are listed, or will be suggested."""
    if config.sweep.method == "bayes":
        assert config.sweep.cap is not None, "the schema asks bayes for a run_cap or a budget"
        return config.sweep.cap
    return len(trials_of(config))


def lists_trials(config: Config) -> bool:
    """Return whether every trial is known before the first one starts. Bayes chooses during the
    sweep, and a grid may be too large for a list."""
    return config.sweep.method != "bayes" and not isinstance(trials_of(config), Grid)


def swept_sections(config: Config) -> frozenset[str]:
    """Return the sections in which trials differ: `train`, `model`, …"""
    return frozenset(field_of(name).partition(".")[0] for name in config.sweep.parameters)


def sweeps(stage: str, config: Config) -> bool:
    """Return whether the stage's output differs between trials."""
    return not swept_sections(config).isdisjoint(DEPENDS[stage])


def distinct(config: Config, *sections: str) -> list[Config]:
    """Return one trial's config for each distinct setting of `sections`, in the order of trials.

    Where the trials are not listed, these are the settings that they may have: at most
    MOST_SETTINGS, with a continuous range (of the dropout, say) represented by its edges.
    """
    if swept_sections(config).isdisjoint(sections):
        return [config]
    trials = trials_of(config) if lists_trials(config) else _possible(config, sections)
    found: dict[str, Config] = {}
    for values in trials:
        trial = apply(config, values)
        settings = [getattr(trial, name).model_dump(mode="json") for name in sections]
        found.setdefault(json.dumps(settings, sort_keys=True), trial)
    return list(found.values())


def _possible(config: Config, sections: Sequence[str]) -> list[dict[str, Any]]:
    """List combinations of these sections' swept fields."""
    swept = {
        name: _listed(distribution)
        for name, distribution in config.sweep.space().items()
        if field_of(name).partition(".")[0] in sections
    }
    combinations = itertools.islice(itertools.product(*swept.values()), MOST_SETTINGS)
    return [dict(zip(swept, values, strict=True)) for values in combinations]


def _listed(distribution: Distribution) -> list[Any]:
    """List the values; of a very long range (a seed has up to 2^63) its edges and first values."""
    edges = [value for _, value in distribution.edges()]
    if distribution.size is None:
        return edges
    if distribution.size <= MOST_SETTINGS:
        return [distribution.at(i) for i in range(distribution.size)]
    first = [distribution.at(i) for i in range(MOST_SETTINGS)]
    distinct_values = {json.dumps(value): value for value in (*edges, *first)}.values()
    return list(distinct_values)[:MOST_SETTINGS]


def epochs_of(config: Config, overrides: Mapping[str, Any]) -> int:
    """Return the epochs of one trial, whose values need not be valid for their fields."""
    own = [value for name, value in overrides.items() if field_of(name) == "train.epochs"]
    return int(own[0]) if own else config.train.epochs


def longest_epochs(config: Config) -> int:
    """Return the most epochs that any trial trains."""
    swept = [
        int(value)
        for name, distribution in config.sweep.space().items()
        if field_of(name) == "train.epochs"
        for value in _epochs(config, name, distribution)
    ]
    return max(swept, default=config.train.epochs)


def _epochs(config: Config, name: str, distribution: Distribution) -> list[Any]:
    """Return values that include the longest trial's. A normal distribution has no maximum: in a
    list of trials it is the longest of them; bayes would have to draw 8 sigma out to exceed what
    is returned here."""
    if distribution.size is not None:
        return [value for _, value in distribution.edges()]
    if config.sweep.method == "bayes":
        return [distribution.quantile(1.0)]
    return [trial[name] for trial in trials_of(config)]
