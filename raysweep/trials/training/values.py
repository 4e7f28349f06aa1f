"""Derive a trial's seed, its swept values and its run's config from its configuration."""

from __future__ import annotations

from typing import Any

from raysweep.config import Config, field_of
from raysweep.ml.seeds import derive_seed

MODEL_ARTIFACT = "trained-model"
"""The artifact as which each trial logs its model."""

_RECORDED_SECTIONS = ("data", "preprocess", "model", "train")


def seed_of(config: Config, repeat: int) -> int:
    """Derive the trial's seed from the sweep's seed, the trial's config and its repeat. Leave out
    settings that change no random draw. The first repeat has the seed of an unrepeated trial."""
    train = config.train.model_dump(exclude={"precision", "batch_log_interval"})
    model = config.model.model_dump(mode="json")
    return derive_seed("trial", train, model, *([repeat] if repeat else []))


def swept_values(config: Config) -> dict[str, Any]:
    """Return the swept fields of `config.train`, by their parameters' names."""
    train = config.train.model_dump(mode="json")
    names = {name: field_of(name).removeprefix("train.") for name in config.sweep.parameters}
    return {name: train[field] for name, field in names.items() if field in train}


def recorded(config: Config, sweep: str, trial: str, repeat: int) -> dict[str, Any]:
    """Return the config that is logged for the trial's run."""
    sections = {name: getattr(config, name).model_dump(mode="json") for name in _RECORDED_SECTIONS}
    return {"sweep": sweep, "trial": trial, "repeat": repeat, **sections}


def computed_in(config: Config, auto: str | None) -> dict[str, str]:
    """Return the `precision` in which a trial of this config is trained, where that is known.
    `auto`: the meaning of `train.precision: auto` in this sweep."""
    asked = getattr(config.train, "precision", None)
    found = auto if asked == "auto" else asked
    return {} if found is None else {"precision": str(found)}
