"""Check that a sweep fits its config: each parameter names a field, which accepts its values.

A `SweepConfig` alone is a sweep file that may have been written for another program; a `Config` can
run here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from raysweep.config.explain import Loc, found, mistake, nearest
from raysweep.config.fields import Fields, field_of
from raysweep.config.pbt import KEPT
from raysweep.config.program import FreeFields
from raysweep.config.section import Section
from raysweep.config.space.distributions import Categorical
from raysweep.config.space.meant import comes_from, fractions
from raysweep.config.space.numerals import TOO_LARGE, too_large
from raysweep.config.space.parameter import Parameter
from raysweep.config.sweep import Metric, SweepConfig
from raysweep.config.target_sections import Target


def check(sweep: SweepConfig, fields: Fields | FreeFields, goals: Mapping[str, str] | None) -> None:
    """Raise pydantic's ValidationError, with the location in the config, for the first misfit.

    `goals`: each metric that a trial reports → `minimize` or `maximize`; None where that is not
    known beforehand.
    """
    if goals is not None:
        _check_metric(sweep.metric, goals)
    if sweep.method != "grid" and sweep.cap is None:
        text = (
            f"missing; method {sweep.method} never ends by itself, so say how many trials, "
            "here or with --count N, or give max_trials, max_epochs_total or max_time"
        )
        raise mistake(("sweep", "run_cap"), text)
    owner: dict[str, str] = {}
    for name, parameter in sweep.parameters.items():
        at = ("sweep", "parameters", name)
        if problem := fields.name_problem(name):
            raise mistake(at, problem)
        is_field = isinstance(fields, Fields)
        if is_field and (first := owner.setdefault(field_of(name), name)) != name:
            raise mistake(at, f"sets {field_of(name)}, which the parameter {first} sets already")
        _check_values(at, name, parameter, fields)


def check_population(sweep: SweepConfig, train: Section) -> None:
    """Raise a mistake if pbt would change a field that is fixed during training, or if the trainer
    cannot continue from another trial's state."""
    if sweep.pbt is None:
        return
    if isinstance(train, Target) and not hasattr(train.part(), "adopt"):
        text = f"{train.target} cannot continue from another trial: it has no adopt(state)"
        raise mistake(("sweep", "pbt"), f"{text}; derive it from raysweep.ml.training.Trainer")
    changing = [name for name in type(train).model_fields if name not in KEPT | train._fixed]
    for name in sweep.parameters:
        section, _, field = field_of(name).partition(".")
        if section != "train" or field not in changing:
            text = f"pbt cannot change it in mid-training; it can change {', '.join(changing)}"
            raise mistake(("sweep", "parameters", name), text)


def _check_metric(metric: Metric, goals: Mapping[str, str]) -> None:
    if metric.name not in goals:
        hint, known = nearest(metric.name, goals), ", ".join(goals)
        text = f'no trial reports "{metric.name}"{hint} (trials report {known})'
        raise mistake(("sweep", "metric", "name"), text)
    if metric.goal != (better := goals[metric.name]):
        text = f"{metric.name} must be {better}d (goal: {better}), got {metric.goal}"
        raise mistake(("sweep", "metric", "goal"), text)


def _check_values(at: Loc, name: str, parameter: Parameter, fields: Fields | FreeFields) -> None:
    """Raise a mistake if the swept field does not accept what the distribution draws."""
    seen: set[str] = set()
    distribution = parameter.build()
    if fields.only_whole(name) and (wrong := fractions(parameter, name)):
        raise mistake((*at, *wrong[0]), wrong[1])
    for key, value in distribution.edges():
        if (inside := too_large(value)) is not None:
            raise mistake((*at, *key, *inside), TOO_LARGE)
        if text := fields.value_problem(name, value):
            raise mistake((*at, *key), text + comes_from(parameter, key, value))
        held = json.dumps(fields.as_held(name, value), sort_keys=True)
        if isinstance(distribution, Categorical) and held in seen:
            text = f"{found(value)} is listed twice; to draw it more often, use probabilities"
            raise mistake((*at, *key), text)
        seen.add(held)


def check_integers(sections: Mapping[str, Section]) -> None:
    """Raise a mistake for the first integer that no tracker can store."""
    for name, section in sections.items():
        for field, value in section.model_dump(mode="json").items():
            if (inside := too_large(value)) is not None:
                raise mistake((name, field, *inside), TOO_LARGE)
