"""Nested parameters: `optimizer: {parameters: {lr: …}}` is the dotted name `optimizer.lr`.

W&B nests to any depth, and so may a file here; all later code knows only dotted names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from raysweep.config.explain import Loc, found, mistake

GROUP = "parameters"
"""The key that makes a parameter a group of them."""

OWN_KEYS = frozenset({"distribution", "value", "values", "probabilities", "min", "max"})
"""Keys of a parameter that are unlikely names of a group's parameters."""

DEEPEST = 50
"""Maximal levels of groups: a file may contain itself through an alias."""


def flatten(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Map each dotted name to its content, in the file's order.

    Raises pydantic's ValidationError, with the location below `parameters`, for a group with other
    keys or no parameters, and for a name given twice.
    """
    flat: dict[str, Any] = {}
    for name, at, given in _walk(parameters, (), ()):
        if name in flat:
            raise mistake(at, f"{name} is given twice, nested and dotted; leave one of them out")
        flat[name] = given
    return flat


def written_places(parameters: Any) -> dict[int | str | None, Loc]:
    """Map each dotted name to the keys below `parameters` that lead to it in the file.

    Skips what cannot be read: `flatten` reports the error.
    """
    places: dict[int | str | None, Loc] = {}
    try:
        for name, at, _ in _walk(parameters, (), ()):
            places.setdefault(name, at)
    except ValueError:  # pydantic's ValidationError is one
        pass
    return places


def as_written(parameters: Any, at: Loc) -> Callable[[Loc], Loc]:
    """Return a function from a location (`at`, a dotted name, …) to the location in the file."""
    places = written_places(parameters)

    def written(loc: Loc) -> Loc:
        name = loc[len(at)] if loc[: len(at)] == at and len(loc) > len(at) else None
        return (*at, *places[name], *loc[len(at) + 1 :]) if name in places else loc

    return written


def _walk(given: Any, at: Loc, names: tuple[str, ...]) -> Iterator[tuple[str, Loc, Any]]:
    """Yield (dotted name, location, content) of every parameter, depth first."""
    if not isinstance(given, Mapping):
        raise mistake(at, "expected a mapping of parameters")
    if len(names) > DEEPEST:
        raise mistake((), f"groups more than {DEEPEST} deep: does the file contain itself?")
    for key, below in given.items():
        if names and not isinstance(key, str):
            raise mistake((*at, str(key)), f"expected text for a key, got {found(key)}")
        here, name = (*at, key), (*names, str(key))
        if not isinstance(below, Mapping) or GROUP not in below:
            _refuse_bare_group(here, below)
            yield (key if not names else ".".join(name)), here, below
            continue
        if others := [other for other in below if other != GROUP]:
            text = f"beside `{GROUP}`, which makes {key} a group; a group takes no other key"
            raise mistake((*here, str(others[0])), text)
        if below[GROUP] == {}:
            raise mistake((*here, GROUP), "a group without parameters")
        yield from _walk(below[GROUP], (*here, GROUP), name)


def _refuse_bare_group(at: Loc, given: Any) -> None:
    """Raise a mistake for `optimizer: {lr: {…}}`: in a valid parameter only `value` may be a
    mapping."""
    bare = isinstance(given, Mapping) and given and OWN_KEYS.isdisjoint(given)
    if bare and all(isinstance(each, Mapping) for each in given.values()):
        text = f"has no {GROUP}; parameters of a group go below its key `{GROUP}`"
        raise mistake(at, text)
