"""Map a swept parameter's name to the field it sets, and check values for that field.

A bare name is a field of `train`; a dotted one is a section and a field: `model.dropout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from raysweep.config.explain import nearest, problem
from raysweep.config.section import Section
from raysweep.config.space.distributions import Json


def field_of(name: str) -> str:
    """Return the field that a parameter sets: `learning_rate` → `train.learning_rate`.

    A dotted name stays as it is.
    """
    return name if "." in name else f"train.{name}"


@dataclass(frozen=True)
class Fields:
    """The fields that may differ from trial to trial: those of `sections`, by section name.

    Each section comes with its values: a value is checked with the other fields as they are.
    """

    sections: Mapping[str, Section]

    def name_problem(self, name: str) -> str | None:
        """Say what is wrong with a parameter's name; None if it names a field that may be swept."""
        section, _, field = field_of(name).partition(".")
        if section in self.sections and field in self._swept(section):
            return None
        if section in self.sections and field in self.sections[section]._fixed:
            return f"{section}.{field} is fixed for the sweep and cannot differ between trials"
        if "." in name and section not in self.sections:
            *others, last = self.sections
            sweepable = f"{', '.join(others)} and {last}"
            return f"only fields of {sweepable} can be swept, not of {section}"
        if "." not in name and (elsewhere := self._elsewhere(name)):
            return f"unknown parameter; did you mean {elsewhere}?"
        bare = self._swept("train")
        hint = nearest(name, self._names()) or f"; a bare name is one of {', '.join(bare)}"
        return f"unknown parameter{hint}"

    def value_problem(self, name: str, value: Json) -> str | None:
        """Say why the field that `name` sets rejects `value`; None if it accepts it."""
        try:
            self._with(name, value)
        except ValidationError as error:
            section = field_of(name).partition(".")[0]
            return problem(error.errors(include_url=False)[0], type(self.sections[section]))
        return None

    def only_whole(self, name: str) -> bool:
        """Whether the field that `name` sets accepts only integers."""
        try:
            self._with(name, 0.5)
        except ValidationError as error:
            return error.errors(include_url=False)[0]["type"] == "int_type"
        return False

    def takes_fractions(self, name: str) -> bool:
        """Whether the field that `name` sets accepts fractions."""
        held = self.sections[field_of(name).partition(".")[0]]
        field = type(held).model_fields[field_of(name).partition(".")[2]]
        annotation: Any = field.annotation
        try:
            as_float = TypeAdapter(annotation, config=type(held).model_config)
            return isinstance(as_float.validate_python(1), float)
        except (ValidationError, PydanticUserError):
            return False

    def as_held(self, name: str, value: Json) -> Json:
        """Return `value` as its field stores it, for comparison: 1 and 1.0 may be equal, or null
        and "none"."""
        field = field_of(name).partition(".")[2]
        return self._with(name, value).model_dump(mode="json")[field]

    def _with(self, name: str, value: Json) -> Section:
        """Return the section of `name` with that field changed."""
        section, _, field = field_of(name).partition(".")
        held = self.sections[section]
        return type(held).model_validate({**dict(held), field: value})

    def _swept(self, section: str) -> list[str]:
        model = type(self.sections[section])
        return [field for field in model.model_fields if field not in model._fixed]

    def _elsewhere(self, bare: str) -> str | None:
        """Find the dotted name that a bare one was probably meant as."""
        found = [name for name in self._names() if name.partition(".")[2] == bare]
        return found[0] if found else None

    def _names(self) -> list[str]:
        """List every name that may be swept; those of `train` are bare."""
        return [
            field if section == "train" else f"{section}.{field}"
            for section in self.sections
            for field in self._swept(section)
        ]
