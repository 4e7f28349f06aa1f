"""Notices about a sweep that are not errors: unused keys, and values that may surprise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raysweep.config.explain import Loc, one_line, place
from raysweep.config.fields import Fields
from raysweep.config.program import FreeFields
from raysweep.config.space.meant import unlike_it_looks
from raysweep.config.space.nesting import written_places
from raysweep.config.space.numerals import coerced
from raysweep.config.space.parameter import Parameter
from raysweep.config.sweep import SweepConfig
from raysweep.config.sweep_file import AGENT_KEYS, IMPUTE_KEYS, foreign_keys, runs_a_program
from raysweep.config.yaml import Word


@dataclass(frozen=True)
class Notices:
    """Lines that travel with a config but are not part of it: any two compare equal."""

    lines: tuple[str, ...] = field(default=(), compare=False)


def notices(
    sweep: Any, at: Loc, words: Sequence[Word], origin: Callable[[Loc], str]
) -> tuple[str, ...]:
    """Return one line per notice about `sweep`, the raw section at location `at`.

    `words` are the booleans that were written as words, anywhere; `origin(loc)` is the prefix that
    names a line's source.
    """
    if not isinstance(sweep, Mapping):
        return ()
    found = [
        *_not_used(sweep),
        *_foreign(sweep),
        *_second_way(sweep),
        *_numerals(sweep),
        *_booleans(sweep, at, words),
    ]
    return tuple(
        one_line(f"{origin((*at, *loc))}{place((*at, *loc))}: {text}") for loc, text in found
    )


def space_notices(
    parameters: Mapping[str, Parameter],
    at: Loc,
    place_of: Callable[[Loc], Loc],
    origin: Callable[[Loc], str],
    fields: Fields | FreeFields | None = None,
) -> tuple[str, ...]:
    """Return one line for each parameter whose meaning differs from its looks.

    The parameters stand at `at`; `place_of(loc)` is their location in the file, which may nest
    them. `fields`: the fields that they set; None for a sweep file of another program.
    """
    lines = []
    for name, parameter in parameters.items():
        takes_fractions = fields is not None and fields.takes_fractions(name)
        if text := unlike_it_looks(parameter, takes_fractions):
            loc = place_of((*at, name))
            lines.append(one_line(f"{origin(loc)}{place(loc)}: {text}"))
    return tuple(lines)


def _not_used(sweep: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Yield notices for the keys that only W&B's agents read, and those of its bayes search."""
    if unused := [key for key in sweep if key in AGENT_KEYS]:
        first, *others = unused
        nor = f", nor {', nor '.join(others)}" if others else ""
        yield (first,), f"not used{nor}: only W&B's own agents read that"
    metric = sweep.get("metric")
    for key in IMPUTE_KEYS:
        if isinstance(metric, Mapping) and key in metric:
            yield ("metric", key), "not used: a trial without the metric has failed"


def _foreign(sweep: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    for key in foreign_keys(sweep, SweepConfig.model_fields):
        yield (key,), "unknown key: not used"


def _second_way(sweep: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Yield a notice for each of hyperband's keys that others of it overrule."""
    rule = sweep.get("early_terminate")
    if not isinstance(rule, Mapping) or rule.get("type") != "hyperband":
        return
    there = {key for key in ("min_iter", "max_iter", "s") if rule.get(key) is not None}
    if there == {"min_iter", "max_iter", "s"}:
        yield ("early_terminate", "min_iter"), "not used beside max_iter and s"
    elif "min_iter" in there:
        for key in sorted(there - {"min_iter"}):
            other = "s" if key == "max_iter" else "max_iter"
            yield ("early_terminate", key), f"not used without {other}: min_iter says the brackets"


def _numerals(sweep: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    if runs_a_program(sweep):
        return  # it gets them as they are written
    for loc, parameter in _parameters(sweep):
        values = parameter.get("values")
        if not isinstance(values, (list, tuple)):
            continue
        pairs = zip(values, coerced(values), strict=True)
        texts = [json.dumps(text) for text, number in pairs if text is not number]
        if texts:
            taken = "text, taken as a number" if len(texts) == 1 else "texts, taken as numbers"
            yield (*loc, "values"), f"{', '.join(texts)} beside numbers: {taken}"


def _booleans(
    sweep: Mapping[str, Any], at: Loc, words: Sequence[Word]
) -> Iterator[tuple[Loc, str]]:
    for loc, parameter in _parameters(sweep):
        for key in ("value", "values"):
            here = (*at, *loc, key)
            given = parameter.get(key)
            listed = given if isinstance(given, (list, tuple)) else [given]
            found = [
                f"{word.text} is {'true' if word.value else 'false'}"
                for word in words
                if word.loc[: len(here)] == here and word.value in _flat(listed)
            ]
            if found:
                yield (*loc, key), f"in YAML {', '.join(found)}; put a word in quotes to keep it"


def _flat(values: Any) -> Iterator[Any]:
    """Yield the booleans in `values`, at any depth of lists; a list inside itself is skipped."""
    stack, seen = [values], set()
    while stack:
        each = stack.pop()
        if isinstance(each, bool):
            yield each
        elif isinstance(each, (list, tuple)) and id(each) not in seen:
            seen.add(id(each))
            stack.extend(each)


def _parameters(sweep: Mapping[str, Any]) -> Iterator[tuple[Loc, Mapping[str, Any]]]:
    """Yield (location below the sweep, content) of each parameter."""
    for at in written_places(sweep.get("parameters")).values():
        given: Any = sweep["parameters"]
        for key in at:
            given = given[key]
        if isinstance(given, Mapping):
            yield ("parameters", *at), given
