"""Select a trial's best epoch, and the winning trial.

A trial is as good as its best epoch, and the model that it logs is from that epoch. A metric that
is missing, NaN or infinite never wins. Ties go to the earlier epoch and the earlier trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

NOTHING_CHOSEN = "no metric: nothing is chosen as best"
"""Of a sweep that names none: in place of what became of the alias `best`."""

Goal = Literal["minimize", "maximize"]
Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Candidate:
    """A trial for selection: its index in the sweep, whether it finished, its best epoch, and its
    number among the repeats of its configuration, from 0."""

    index: int
    finished: bool
    best: Metrics | None
    repeat: int = 0


def beats(challenger: float | None, holder: float | None, goal: Goal) -> bool:
    """Whether `challenger` is strictly better; a non-finite value is never better."""
    if challenger is None or not math.isfinite(challenger):
        return False
    if holder is None or not math.isfinite(holder):
        return True
    return challenger < holder if goal == "minimize" else challenger > holder


def best_epoch(history: Sequence[Metrics], metric: str, goal: Goal) -> Metrics | None:
    """Return the epoch with the best finite value of `metric`; None if there is none."""
    best: Metrics | None = None
    for metrics in history:
        if beats(metrics.get(metric), best.get(metric) if best else None, goal):
            best = metrics
    return best


def rank(candidates: Iterable[Candidate], metric: str, goal: Goal) -> list[Candidate]:
    """Sort all trials, best first; those that cannot win come last, in the order of the sweep."""

    def key(candidate: Candidate) -> tuple[bool, float, int]:
        if not has_score(candidate, metric) or candidate.best is None:
            return (True, 0.0, candidate.index)
        value = candidate.best[metric]
        return (False, value if goal == "minimize" else -value, candidate.index)

    return sorted(candidates, key=key)


def without_nan(metrics: Metrics) -> dict[str, float | None]:
    """Replace non-finite values by None for a record, since JSON has no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in metrics.items()}


def has_score(candidate: Candidate, metric: str) -> bool:
    """Whether the trial finished and reported a finite value of `metric`."""
    if not candidate.finished or candidate.best is None:
        return False
    value = candidate.best.get(metric)
    return value is not None and math.isfinite(value)
