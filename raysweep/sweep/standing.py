"""How a stored sweep stands: its ranking, its counts, and why trials failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raysweep.events import TrialState, TrialUpdated
from raysweep.search.failures import cause
from raysweep.search.repeats import Configuration, rank_configurations
from raysweep.sweep.view import SweepView, TrialView

COUNTED = ("completed", "stopped", "failed", "running", "waiting")
"""The states, in the order in which they are counted."""


def row_of(trial: TrialView) -> TrialUpdated:
    """Return the trial as an observer was last told of it."""
    last = {name: value for name, value in (trial.history or [{}])[-1].items() if name != "step"}
    states: dict[str, TrialState] = {"waiting": "running"}
    return TrialUpdated(
        index=trial.number,
        name=trial.trial,
        state=states.get(trial.state, trial.state),  # type: ignore[arg-type]
        overrides=trial.values,
        epoch=len(trial.history),
        epochs=trial.epochs,
        metrics=last,
        best=trial.metrics or None,
        error=trial.error,
        repeat=trial.repeat,
        restarts=trial.restarts,
        where=trial.where,
        traceback=trial.traceback,
    )


@dataclass(frozen=True)
class Ranked:
    """A configuration, and its trials, best first. Without repeats it has one trial."""

    configuration: Configuration
    trials: tuple[TrialView, ...]


def ranking(view: SweepView) -> list[Ranked]:
    """Rank the configurations, best first. While a sweep has not ended, a trial that has not counts
    as if it ended now."""
    so_far = view.state != "ended"
    by_number = {trial.number: trial for trial in view.trials}
    candidates = [row_of(trial).candidate(so_far=so_far) for trial in view.trials]
    return [
        Ranked(each, tuple(by_number[trial.index] for trial in each.trials))
        for each in rank_configurations(candidates, view.metric, view.goal, view.repeats)
    ]


def leader(view: SweepView, ranked: Sequence[Ranked]) -> TrialView | None:
    """Return the winner; before the end, the best trial of the best configuration so far. None
    where none has a score."""
    if view.best is not None:
        won = view.best["trial"]
        return next((trial for trial in view.trials if trial.trial == won), None)
    return ranked[0].trials[0] if ranked and ranked[0].configuration.scores else None


def counts(view: SweepView) -> dict[str, int]:
    """Count the trials by state, and in `total`."""
    states: list[str] = [trial.state for trial in view.trials]
    return {"total": len(states), **{state: states.count(state) for state in COUNTED}}


@dataclass(frozen=True)
class Cause:
    """Trials that failed for one cause: the error and the place of the first of them."""

    error: str
    where: str | None
    trials: tuple[str, ...]


def causes(view: SweepView) -> list[Cause]:
    """Group the trials that failed by what they failed of, the most frequent first. Numbers in the
    error, which follow from a trial's values, do not tell two causes apart."""
    groups: dict[tuple[str, str | None], list[TrialView]] = {}
    for trial in view.trials:
        if trial.state == "failed":
            groups.setdefault((cause(trial.error or ""), trial.where), []).append(trial)
    found = [
        Cause(each[0].error or "unknown", each[0].where, tuple(trial.trial for trial in each))
        for each in groups.values()
    ]
    return sorted(found, key=lambda each: -len(each.trials))
