"""A search space in Optuna's terms: what a sampler is told of each distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from raysweep.config import Categorical, Constant, Distribution, Steps, Uniform
from raysweep.pipeline.trainable import TrialSpec


def suggest(space: Mapping[str, Distribution], trial: optuna.Trial) -> dict[str, Any]:
    """Ask Optuna for one value of each parameter."""
    values = {name: ask(trial, name, space[name]) for name in space}
    return TrialSpec(trial.number, values).to_config()


def ask(trial: optuna.Trial, name: str, distribution: Distribution) -> Any:
    """One value. A choice is asked for by its index: Optuna knows no lists as values.

    Of a shape that Optuna has not (a bell curve, a beta, a rounded one, a weighted choice) it is
    asked for a number from 0 to 1, whose quantile is the value: its prior is then the shape.
    """
    match distribution:
        case Constant(value):
            return value
        case Categorical(choices, None):
            return choices[trial.suggest_categorical(name, range(len(choices)))]
        case Steps(first, last):
            return distribution.at(trial.suggest_int(name, first, last) - first)
        case Uniform(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
    return distribution.quantile(trial.suggest_float(name, 0, 1))
