"""Translate a search space to Optuna: which distribution a sampler sees for each parameter."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import Any

import optuna

from raysweep.config import (
    Beta,
    Categorical,
    Constant,
    Distribution,
    Normal,
    Rounded,
    Steps,
    Uniform,
)


def suggest(space: Mapping[str, Distribution], trial: optuna.Trial) -> dict[str, Any]:
    """Ask Optuna for one value of each parameter."""
    return {name: ask(trial, name, space[name]) for name in space}


def ask(trial: optuna.Trial, name: str, distribution: Distribution) -> Any:
    """Ask Optuna for one value. A choice is asked for by its index: Optuna takes no lists.

    For a distribution that Optuna does not have (normal, beta, rounded, a weighted choice) it is
    asked for a number from 0 to 1, whose quantile is the value: the distribution is then the prior.
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


def answer(distribution: Distribution, value: Any) -> Any:
    """Return the answer of Optuna from which `ask` makes `value`: the inverse of `ask`.

    Raises ValueError if the distribution has no such value.
    """
    match distribution:
        case Constant(only) if Categorical((only,)).index(value) == 0:
            return value
        case Categorical(_, None):
            return distribution.index(value)
        case Steps(first, last) if first <= value <= last and value == int(value):
            return int(value)
        case Uniform(low, high) if low <= value <= high:
            return float(value)
        case Categorical():
            return _probability(
                lambda p: distribution.index(distribution.quantile(p)), distribution.index(value)
            )
        case Normal() | Beta() | Rounded():
            return _probability(distribution.quantile, value)
    raise ValueError(value)


def _probability(quantile: Callable[[float], float], value: float) -> float:
    """Return the middle of the probabilities whose `quantile`, which is monotonic, is `value`."""
    low = bisect_left(_Halves(quantile), value)
    high = bisect_right(_Halves(quantile), value)
    middle = (low + high) / 2 / _Halves.COUNT
    if not math.isclose(quantile(middle), value, rel_tol=1e-6, abs_tol=1e-12):
        raise ValueError(value)
    return middle


class _Halves:
    """A quantile function as a sorted sequence for `bisect`: its values at multiples of 2^-40."""

    COUNT = 2**40

    def __init__(self, quantile: Callable[[float], float]) -> None:
        self._quantile = quantile

    def __len__(self) -> int:
        return self.COUNT

    def __getitem__(self, index: int) -> float:
        return self._quantile(index / self.COUNT)
