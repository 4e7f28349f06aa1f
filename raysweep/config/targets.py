"""A swept parameter's name → the field it sets, and whether that field takes a value.

A bare name is a field of `train`; a dotted one is a section and a field: `model.dropout`.
"""

from __future__ import annotations

from pydantic import ValidationError

from raysweep.config.distributions import Json
from raysweep.config.explain import nearest, problem
from raysweep.config.sections import ModelConfig, Section, TrainConfig

SWEEPABLE: dict[str, type[Section]] = {"train": TrainConfig, "model": ModelConfig}
"""The sections whose fields may differ from trial to trial; the others are the whole sweep's."""


def target(name: str) -> str:
    """The field that a parameter sets: `learning_rate` → `train.learning_rate`; dotted stay."""
    return name if "." in name else f"train.{name}"


def name_problem(name: str) -> str | None:
    """What is wrong with a parameter's name, or None if it names a field that may be swept."""
    section, _, field = target(name).partition(".")
    if section in SWEEPABLE and field in SWEEPABLE[section].model_fields:
        return None
    if "." in name and section not in SWEEPABLE:
        return f"only fields of {' and '.join(SWEEPABLE)} can be swept, and {section} is neither"
    if "." not in name and name in ModelConfig.model_fields:
        return f"unknown parameter; did you mean model.{name}?"
    known = [*TrainConfig.model_fields, *(f"model.{field}" for field in ModelConfig.model_fields)]
    hint = nearest(name, known) or f"; a bare name is one of {', '.join(TrainConfig.model_fields)}"
    return f"unknown parameter{hint}"


def value_problem(name: str, value: Json) -> str | None:
    """Why the field that `name` sets does not take `value`, or None if it does."""
    section, _, field = target(name).partition(".")
    model = SWEEPABLE[section]
    try:
        model.model_validate({field: value})
    except ValidationError as error:
        return problem(error.errors(include_url=False)[0], model)
    return None


def as_held(name: str, value: Json) -> Json:
    """`value` as its field holds it, for comparing: 1 and 1.0, null and "none" may be the same."""
    section, _, field = target(name).partition(".")
    return SWEEPABLE[section].model_validate({field: value}).model_dump(mode="json")[field]
