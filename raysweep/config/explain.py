"""Turn pydantic's errors into one line: where, what was expected, what was found, what to do.

Checks of our own raise `mistake(…)`: a ValidationError with its own text and a location relative to
the validator that raises it. pydantic propagates it like any other error.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from raysweep.errors import ConfigError

Loc = tuple[int | str, ...]
"""The location of a value: keys and list positions, from the root."""

_EXPECTED = {
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_type": "a number",
    "invalid_key": "text for a key",
    "int_type": "an integer",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_pattern_mismatch": "a name of letters and digits",
    "string_too_short": "at least {min_length} character(s)",
    "too_long": "at most {max_length} item(s)",
    "too_short": "at least {min_length} item(s)",
}
"""Error type → what was expected; the braces take values from pydantic's error context."""

_SCALARS = (str, int, float, type(None))


def mistake(loc: Loc, text: str) -> ValidationError:
    """Make an error to raise in a validator: `text` says what is wrong at `loc`, relative to it."""
    kind = PydanticCustomError("explained", "{text}", {"text": text})
    return ValidationError.from_exception_data(
        "raysweep", [{"type": kind, "loc": loc, "input": None}]
    )


def explained(error: ValidationError, model: type[BaseModel]) -> ValidationError:
    """Reword the first problem of `error`, which `model` raised, with hints from its keys."""
    first = _first(error)
    return mistake(place_of(first), problem(first, model))


def to_config_error(
    error: ValidationError,
    root: type[BaseModel],
    origin: Callable[[Loc], str],
    written: Callable[[Loc], Loc] = tuple,
) -> ConfigError:
    """Turn the first problem of `error` into a ConfigError, prefixed with its source `origin(loc)`.

    `written(loc)` is the location in the file, whose parameters may be nested.
    """
    first = _first(error)
    loc = written(place_of(first))
    where = f"{place(loc)}: " if loc else ""
    return ConfigError(one_line(f"{origin(loc)}{where}{problem(first, root)}"))


def _first(error: ValidationError) -> ErrorDetails:
    """Choose the problem to report; unknown keys come first, since for a misspelt required key
    pydantic also reports the right key as missing."""
    details = error.errors(include_url=False)
    return min(details, key=lambda each: each["type"] != "extra_forbidden")


def place_of(detail: ErrorDetails) -> Loc:
    """Return the location of the error.

    For a list that is too short it is the list, and for a key that is not text the mapping: there
    pydantic names an item that does not exist, or the key by its number.
    """
    loc = detail["loc"]
    if detail["type"] == "invalid_key" or _lacks_an_item(detail):
        return loc[:-1]
    if loc and loc[-1] == "[key]":
        return loc[:-2]
    return loc


def _lacks_an_item(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" and isinstance(detail["loc"][-1], int)


def problem(detail: ErrorDetails, root: type[BaseModel]) -> str:
    """Say what is wrong, without the location, which starts at the model `root`."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{_nearest_key(detail['loc'], root)}"
    if detail["loc"] and detail["loc"][-1] == "[key]" and kind in _EXPECTED:
        return (
            f"expected {_EXPECTED[kind].format(**context)} for a key, got {found(detail['input'])}"
        )
    if _lacks_an_item(detail):
        lacking = int(detail["loc"][-1]) + 1
        return f"too short: item {lacking} of it is missing, got {found(detail['input'])}"
    if kind == "missing":
        return "missing; this key has no default"
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        hint = nearest(str(detail["input"]), choices)
        expected = ", ".join(choices) if len(choices) == 1 else f"one of {', '.join(choices)}"
        return f"expected {expected}, got {found(detail['input'])}{hint}"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind].format(**context)}, got {found(detail['input'])}"
    return detail["msg"]


def place(loc: Loc) -> str:
    """Format a location as a reader would write it: `sweep.parameters.learning_rate.values[1]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".").removesuffix(".[key]")  # pydantic's mark for a mapping's key


def one_line(text: str) -> str:
    """Escape line breaks and control characters, which a user's key may hold, in `text`."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def found(value: object) -> str:
    """Show a value as YAML would write it, short enough for one line."""
    if isinstance(value, str):
        shown = f"the text {json.dumps(value, ensure_ascii=False)}"
    elif isinstance(value, dict):
        shown = "a mapping"
    elif isinstance(value, (list, tuple)) and not all(isinstance(each, _SCALARS) for each in value):
        shown = "a list"  # of lists or mappings: too long for a line, and it may hold itself
    else:
        shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean x?`, or nothing if no known name is near. Case is ignored."""
    folded = {each.lower(): each for each in sorted(known)}
    matches = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[matches[0]]}?" if matches else ""


def _nearest_key(loc: Loc, root: type[BaseModel]) -> str:
    """Make a hint for an unknown key: its nearest sibling, or the section that has such a key."""
    model = _model_at(loc[:-1], root)
    key, known = str(loc[-1]), [*model.model_fields]
    if getattr(model, "takes_target", False):
        known.append("target")
    at_root = [
        f"{section}.{key}"
        for section, field in root.model_fields.items()
        for model in _models_in(field.annotation)
        if len(loc) == 1 and key in model.model_fields
    ]
    if at_root:
        return f"; did you mean {at_root[0]}?"
    return nearest(key, known) or f"; known keys here: {', '.join(known)}"


def _model_at(loc: Loc, root: type[BaseModel]) -> type[BaseModel]:
    """Find the model whose keys stand at `loc`; a key of a plain mapping leads no deeper."""
    model = root
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type names: itself, or inside `X | None` and `Mapping[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
