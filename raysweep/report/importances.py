"""How much each parameter decides of the score: Optuna's importance evaluators.

fANOVA (Hutter et al., 2014) fits a random forest to the scores and splits their variance. It takes
2 s for 200 trials and 25 s for 1,000, so larger sweeps get PED-ANOVA (Watanabe et al., 2023), which
asks what sets the best tenth of the trials apart (0.3 s for 10,000).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from raysweep.report.axes import Axis, shown
from raysweep.sweep.view import SweepView, TrialView

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST = 6
"""Trials with a score, below which a share would be chance."""

_MOST_FOR_FANOVA = 200


def importances(view: SweepView, axes: Sequence[Axis]) -> dict[str, Any]:
    """Return `{"method", "note", "shares": {parameter: share}}`; shares are of 1, largest first.

    Without enough trials, or parameters that vary, `shares` is empty and `note` says why.
    """
    scored = [trial for trial in view.trials if score(view, trial) is not None]
    if len(scored) < FEWEST:
        return _none(f"Needs at least {FEWEST} trials with a score; there are {len(scored)}.")
    if len({score(view, trial) for trial in scored}) == 1:
        return _none("All trials have the same score, so no parameter made a difference.")
    axes = [axis for axis in axes if all(axis.name in trial.values for trial in scored)]
    varied = [a for a in axes if len({shown(trial.values[a.name]) for trial in scored}) > 1]
    if not varied:
        return _none("No parameter varies among all of the trials.")
    return _evaluated(view, scored, varied)


def score(view: SweepView, trial: TrialView) -> float | None:
    """Return the trial's value of the sweep's metric; None where it failed, or has none."""
    value = trial.metrics.get(view.metric)
    if trial.state == "failed" or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _none(note: str) -> dict[str, Any]:
    return {"method": "", "note": note, "shares": {}}


def _evaluated(view: SweepView, scored: list[TrialView], axes: list[Axis]) -> dict[str, Any]:
    import optuna  # 0.5 s: only where there is something to evaluate
    from optuna.importance import (
        FanovaImportanceEvaluator,
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    small = len(scored) <= _MOST_FOR_FANOVA
    method = "fANOVA" if small else "PED-ANOVA"
    distributions = {axis.name: _distribution(axis, scored) for axis in axes}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction=view.goal)
        study.add_trials(
            [
                optuna.create_trial(
                    params={axis.name: _value(axis, trial) for axis in axes},
                    distributions=distributions,
                    value=score(view, trial),
                )
                for trial in scored
            ]
        )
        evaluator = FanovaImportanceEvaluator(seed=0) if small else PedAnovaImportanceEvaluator()
        try:
            found = get_param_importances(study, evaluator=evaluator)
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            return _none(f"{method} found none ({error}).")
    shares = {name: round(float(share), 4) for name, share in found.items()}
    if not all(map(math.isfinite, shares.values())):
        return _none(f"{method} found none: the scores vary too little.")
    note = f"{method}, of {len(scored)} trials."
    if len(scored) < 30:
        note += " So few trials give a rough idea only."
    return {"method": method, "note": note, "shares": shares}


def _distribution(axis: Axis, trials: list[TrialView]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if axis.choices is not None:
        return CategoricalDistribution(sorted({shown(t.values[axis.name]) for t in trials}))
    values = [float(trial.values[axis.name]) for trial in trials]
    return FloatDistribution(min(values), max(values), log=axis.log)


def _value(axis: Axis, trial: TrialView) -> Any:
    value = trial.values[axis.name]
    return float(value) if axis.choices is None else shown(value)
