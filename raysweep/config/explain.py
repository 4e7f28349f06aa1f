"""pydantic's errors as one line: where, what was expected, what was found, what to do.

Checks that pydantic has no words for raise `mistake(…)`: a ValidationError with its own text and a
place, seen from the validator that raises it, which pydantic then carries upwards like any other.
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
"""Where a value stands: keys and list positions, from the root."""

_EXPECTED = {
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_type": "a number",
    "invalid_key": "text for a key",
    "int_type": "a whole number",
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
"""Error type → what the place takes; the braces are pydantic's context of the error."""

_SCALARS = (str, int, float, type(None))


def mistake(loc: Loc, text: str) -> ValidationError:
    """An error to raise in a validator: `text` says what is wrong at `loc`, seen from there."""
    kind = PydanticCustomError("explained", "{text}", {"text": text})
    return ValidationError.from_exception_data(
        "raysweep", [{"type": kind, "loc": loc, "input": None}]
    )


def explained(error: ValidationError, model: type[BaseModel]) -> ValidationError:
    """The first problem of `error` in the words that `model`, whose it is, allows."""
    first = _first(error)
    return mistake(place_of(first), problem(first, model))


def to_config_error(
    error: ValidationError,
    root: type[BaseModel],
    origin: Callable[[Loc], str],
    written: Callable[[Loc], Loc] = tuple,
) -> ConfigError:
    """The first problem of `error` as a ConfigError; `origin(loc)` is its prefix: whose it is.

    `written(loc)` is where the value stands in the file, whose parameters may be nested.
    """
    first = _first(error)
    loc = written(place_of(first))
    where = f"{place(loc)}: " if loc else ""
    return ConfigError(one_line(f"{origin(loc)}{where}{problem(first, root)}"))


def _first(error: ValidationError) -> ErrorDetails:
    """An unknown key goes first: where a required key is misspelt, pydantic also reports it
    missing."""
    details = error.errors(include_url=False)
    return min(details, key=lambda each: each["type"] != "extra_forbidden")


def place_of(detail: ErrorDetails) -> Loc:
    """Where the error is: of a list that is too short, the list, and of a key that is no text, the
    mapping, since pydantic would name an item that is not there, or a key by its number."""
    loc = detail["loc"]
    if detail["type"] == "invalid_key" or _lacks_an_item(detail):
        return loc[:-1]
    if loc and loc[-1] == "[key]":
        return loc[:-2]
    return loc


def _lacks_an_item(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" and isinstance(detail["loc"][-1], int)


def problem(detail: ErrorDetails, root: type[BaseModel]) -> str:
    """What is wrong, without the place. `root` is the model that the error's place starts at."""
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
    """`("sweep", "parameters", "learning_rate", "values", 1)` as a reader would write it."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".").removesuffix(".[key]")  # pydantic's mark for a mapping's key


def one_line(text: str) -> str:
    """`text` with line breaks and control characters, which a user's key may hold, escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def found(value: object) -> str:
    """A value, as YAML would show it and short enough for one line."""
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
    """`; did you mean x?`, or nothing where no known name is near. Case counts for nothing."""
    folded = {each.lower(): each for each in sorted(known)}
    matches = difflib.get_close_matches(name.lower(), folded, n=1)
    return f"; did you mean {folded[matches[0]]}?" if matches else ""


def _nearest_key(loc: Loc, root: type[BaseModel]) -> str:
    """A hint for an unknown key: its nearest sibling, or the section that has such a key."""
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
    """The model whose keys stand at `loc`; a key of a plain mapping leads no deeper."""
    model = root
    for part in loc:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type names: itself, or inside `X | None` and `Mapping[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
