"""Make the section of a custom part, `target: my_pkg.nets:ResNet`; its keys are its parameters.

The section's class is made from the target's signature, so that a misspelt, missing or mistyped
parameter is reported before anything runs, and any parameter can be swept, as in a built-in part.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError, to_json

from raysweep.config.annotations import as_written
from raysweep.config.explain import explained, found, mistake
from raysweep.config.import_path import import_path, resolve
from raysweep.config.signature import parameters_of
from raysweep.config.target_sections import (
    DataTarget,
    EvaluateTarget,
    ModelTarget,
    Target,
    TrainTarget,
)

GOALS = ("minimize", "maximize")


@dataclass(frozen=True)
class Part:
    """The requirements on a section's target; `raysweep.ml.protocols` states them as types."""

    base: type[Target]
    given: tuple[str, ...] = ()
    """Parameters that raysweep passes by name. They are not keys of the section."""

    needs: tuple[str, ...] = ()
    """Other parameters that it must have, as keys of the section."""


PARTS: Mapping[str, Part] = {
    "data": Part(DataTarget),
    "model": Part(ModelTarget),
    "train": Part(
        TrainTarget, ("model", "training", "validation", "seed", "device"), needs=("epochs",)
    ),
    "evaluate": Part(EvaluateTarget, ("model", "test", "device")),
}
"""Section → the requirements on its `target`."""


def section_of(name: str, given: Mapping[str, Any]) -> Target:
    """Make the section `name` from a mapping that has a `target`.

    Raises pydantic's ValidationError, with a location relative to the section.
    """
    path = import_path(given["target"])
    made = _section_class(name, path)
    try:
        return made.model_validate({**given, "target": path})
    except ValidationError as error:
        raise explained(error, made) from None


def _section_class(section: str, path: Any) -> type[Target]:
    target = resolve(path)
    made = _made(section, path, target)
    if section == "train":
        _check_metrics(path, target)
    return made


@functools.cache  # one class a target: two configs of it are equal
def _made(section: str, path: str, target: Callable[..., Any]) -> type[Target]:
    part = PARTS[section]
    parameters = parameters_of(path, target)
    for name in (*part.given, *part.needs):
        if name not in parameters:
            takes = ", ".join((*part.given, *part.needs))
            raise mistake(("target",), f"{path} takes no {name}; {section}'s must take {takes}")
    own = {name: item for name, item in parameters.items() if name not in part.given}
    for name in own:
        if name in _TAKEN:
            text = f"{path} has a parameter {name}, a key of {section} itself; rename it"
            raise mistake(("target",), text)
    fields = {name: field for name, item in own.items() if (field := _field(path, part.base, item))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a field may be named `copy` or `schema`
        made: type[Target] = create_model(  # type: ignore[call-overload]
            part.base.__name__, __base__=part.base, __module__=__name__, **fields
        )
    made._parameters = tuple(fields)
    made._function = staticmethod(target)
    made._fixed = part.base._fixed - fields.keys()
    return made


_TAKEN = {"target", "takes_target", *(name for name in dir(BaseModel) if name.startswith("model_"))}
"""Names that no parameter may have: the key of the target, and pydantic's own attributes."""


def _field(path: str, base: type[Target], parameter: inspect.Parameter) -> tuple[Any, Any] | None:
    """Turn a parameter into a field; None if YAML cannot hold it, so that it keeps its default."""
    required = parameter.default is parameter.empty
    default = ... if required else parameter.default
    if parameter.name in base.model_fields.keys() - {
        "name"
    }:  # `epochs`: with raysweep's limits, its default
        return base.model_fields[parameter.name].rebuild_annotation(), default
    annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
    try:
        TypeAdapter(annotation)
        if not required:
            to_json(default, inf_nan_mode="constants")
    except (PydanticSchemaGenerationError, PydanticSerializationError):
        if not required:
            return None
        shown = getattr(annotation, "__name__", str(annotation))
        text = f"{path}: its parameter {parameter.name} is a {shown}, which YAML cannot hold"
        raise mistake(("target",), f"{text}; give it a default") from None
    if not required:
        annotation = _taking(path, parameter, annotation)
    return as_written(annotation), default


def _taking(path: str, parameter: inspect.Parameter, annotation: Any) -> Any:
    """Return the annotation, extended to accept a default of None (`width: int = None`).

    Raises a mistake for any other default that it rejects: the error would surface later and blame
    another value.
    """
    default = parameter.default
    if _takes(annotation, default):
        return annotation
    if default is None:
        return annotation | None
    text = f"{path}: the default of {parameter.name}, {found(default)}, is not of its type"
    raise mistake(("target",), f"{text}; correct its annotation")


def _takes(annotation: Any, value: Any) -> bool:
    try:
        _strict(as_written(annotation)).validate_python(value)
    except ValidationError:
        return False
    return True


def _strict(annotation: Any) -> TypeAdapter[Any]:
    """Check types as strictly as a section; a model has its own setting and ignores this one."""
    try:
        return TypeAdapter(annotation, config=_STRICT)
    except PydanticUserError:
        return TypeAdapter(annotation)


_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def goal_of(train: Any, metric: Any) -> str | None:
    """Return the goal of `metric` that the section's trainer declares; None if it declares none."""
    path = train.get("target") if isinstance(train, Mapping) else getattr(train, "target", None)
    try:
        metrics = getattr(resolve(import_path(path)), "metrics", None)
    except ValidationError:
        return None  # the section's own validation reports why
    return metrics.get(metric) if isinstance(metrics, Mapping) else None


def _check_metrics(path: str, target: Callable[..., Any]) -> None:
    metrics = getattr(target, "metrics", None)
    goals = metrics.items() if isinstance(metrics, Mapping) else ()
    if goals and all(isinstance(name, str) and goal in GOALS for name, goal in goals):
        return
    text = f"{path} defines no metrics; expected a mapping as {{'validation/loss': 'minimize'}}"
    raise mistake(("target",), text)
