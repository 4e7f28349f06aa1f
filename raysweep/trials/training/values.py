"""What follows from a trial's configuration: its seed, its swept values, its run's config."""

from __future__ import annotations

from typing import Any

from raysweep.config import Config, field_of
from raysweep.ml.seeds import derive_seed

MODEL_ARTIFACT = "trained-model"
"""The artifact as which each trial logs its model."""

_RECORDED_SECTIONS = ("data", "preprocess", "model", "train")


def seed_of(config: Config, repeat: int) -> int:
    """From the sweep's seed, the trial's config and its repeat; not from what changes no random
    draw. The first repeat has the seed of a trial that is not repeated."""
    train = config.train.model_dump(exclude={"precision", "batch_log_interval"})
    model = config.model.model_dump(mode="json")
    return derive_seed("trial", train, model, *([repeat] if repeat else []))


def swept_values(config: Config) -> dict[str, Any]:
    """The swept fields of `train` as `config` holds them, by their parameters' names."""
    train = config.train.model_dump(mode="json")
    names = {name: field_of(name).removeprefix("train.") for name in config.sweep.parameters}
    return {name: train[field] for name, field in names.items() if field in train}


def recorded(config: Config, sweep: str, trial: str, repeat: int) -> dict[str, Any]:
    """The config of the trial's run."""
    sections = {name: getattr(config, name).model_dump(mode="json") for name in _RECORDED_SECTIONS}
    return {"sweep": sweep, "trial": trial, "repeat": repeat, **sections}


def computed_in(config: Config, auto: str | None) -> dict[str, str]:
    """`precision`: the arithmetic that a trial of this config is trained in, where that is known.
    `auto`: what the sweep's `train.precision: auto` means."""
    asked = getattr(config.train, "precision", None)
    found = auto if asked == "auto" else asked
    return {} if found is None else {"precision": str(found)}
