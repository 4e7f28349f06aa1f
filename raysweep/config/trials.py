"""List a config's trials: the values of each one, and the config that they make."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from random import Random
from typing import Any, overload

from pydantic import ValidationError

from raysweep.config.explain import one_line, place, problem
from raysweep.config.fields import Fields, field_of
from raysweep.config.schema import Config
from raysweep.config.section import Section
from raysweep.config.space.distributions import Distribution, Json
from raysweep.config.sweep import SweepConfig
from raysweep.errors import ConfigError

MOST_LISTED = 10_000
"""How many trials are listed, and each checked, before the first one starts: the limit of a random
sweep. A larger grid is not listed."""

MOST_OF_A_GRID = 1_000_000
"""Limit of a grid: in a trial that does nothing the driver of a sweep spends some 10 ms, so that
these take hours."""

CHECKED_OF_A_GRID = 1000
"""How many combinations of a grid that is not listed are checked before the first trial starts."""

MAX_REPEATS = 1000
"""Repeated draws in a row after which random search treats its space as exhausted."""


def apply(config: Config, values: Mapping[str, Json]) -> Config:
    """Make the config of one trial: set the fields that `values` names.

    Raises ConfigError for a name that cannot be swept and for a value that its field rejects.
    """
    fields = config.fields()
    if not isinstance(fields, Fields):
        return config  # the values are the program's alone
    changes: dict[str, dict[str, Json]] = {}
    names = {field_of(name): name for name in values}
    for name, value in values.items():
        if text := fields.name_problem(name):
            raise ConfigError(one_line(f"sweep.parameters.{name}: {text}"))
        section, _, field = field_of(name).partition(".")
        changes.setdefault(section, {})[field] = value
    sections = {
        section: _changed(getattr(config, section), section, change, names)
        for section, change in changes.items()
    }
    return config.model_copy(update=sections)


class Grid(Sequence[dict[str, Json]]):
    """The first `count` combinations of a grid, each made when it is asked for."""

    def __init__(self, space: Mapping[str, Distribution], count: int) -> None:
        self._space = space
        self._ranks = range(count)

    def __len__(self) -> int:
        return len(self._ranks)

    @overload
    def __getitem__(self, index: int) -> dict[str, Json]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Json]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Json] | list[dict[str, Json]]:
        if isinstance(index, slice):
            return list(_product(self._space, self._ranks[index]))
        return next(_product(self._space, [self._ranks[index]]))

    def place(self, values: Mapping[str, Json]) -> int | None:
        """Return where the combination is, without a search; None if it is none of them."""
        if values.keys() != self._space.keys():
            return None
        rank = 0
        for name, each in self._space.items():
            at = self._indices[name].get(json.dumps(values[name], sort_keys=True))
            if at is None:
                return None
            rank = rank * (each.size or 0) + at
        return rank if rank in self._ranks else None

    @cached_property
    def _indices(self) -> dict[str, dict[str, int]]:
        """Map each parameter's values, as JSON, to their indices."""
        return {
            name: {json.dumps(each.at(i), sort_keys=True): i for i in range(each.size or 0)}
            for name, each in self._space.items()
        }


def trials_of(config: Config) -> Sequence[dict[str, Json]]:
    """Return the values of every trial of a grid or random sweep, in order.

    Grid: the whole product, the last parameter varying fastest, cut off at `run_cap`. Random: `cap`
    distinct draws seeded with `train.seed`, fewer if the space is exhausted; a larger `cap` appends
    and changes no earlier draw. (Bayes chooses during the sweep.)

    A draw that its field rejects (a normal distribution has no bounds) is repeated. Raises
    ConfigError if hardly any draw is accepted.

    Of a grid with more than MOST_LISTED trials they are a `Grid`, of which CHECKED_OF_A_GRID are
    checked here. One of the others whose values do not fit together fails when its turn comes.

    The list is cached: a sweep needs it several times at its start, and checking 10,000 trials
    takes most of a second.
    """
    return _listed(_Sameness(config))


def enumerate_trials(config: Config) -> list[dict[str, Json]]:
    """List what `trials_of` returns."""
    return list(trials_of(config))


class _Sameness:
    """Cache key of a config's list of trials. Copies of a config share the sections that they do
    not change, so identity decides equality without comparing 10,000 values."""

    def __init__(self, config: Config) -> None:
        swept = {field_of(name).partition(".")[0] for name in config.sweep.parameters}
        names = ("sweep", "train", *sorted(swept.intersection(type(config).model_fields)))
        self.config = config  # a reference, so that no other object gets one of these ids
        self._key = tuple(id(getattr(config, name)) for name in names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sameness) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=1)
def _listed(of: _Sameness) -> Sequence[dict[str, Json]]:
    config, sweep = of.config, of.config.sweep
    count = checked_size(sweep)
    if count is not None and count > MOST_LISTED:
        grid = Grid(sweep.space(), count)
        for rank in {0, count - 1, *Random(0).sample(range(count), CHECKED_OF_A_GRID)}:
            apply(config, grid[rank])
        return grid
    if all(each.size is not None for each in sweep.space().values()):
        listed = list(islice(configurations(sweep, config.train.seed), sweep.cap))
        for trial in listed:
            apply(config, trial)
        return tuple(listed)
    return tuple(islice(_fitting(config), sweep.cap))


def fits(config: Config, values: Mapping[str, Json]) -> bool:
    """Return whether the fields accept the values."""
    try:
        apply(config, values)
    except ConfigError:
        return False
    return True


def _fitting(config: Config) -> Iterator[dict[str, Json]]:
    """Yield the draws that their fields accept; others are repeated (a normal has no bounds)."""
    refused = 0
    for trial in configurations(config.sweep, config.train.seed):
        if fits(config, trial):
            refused = 0
            yield trial
        elif (refused := refused + 1) == MAX_REPEATS:
            apply(config, trial)  # raises, and names the rejected value


def configurations(sweep: SweepConfig, seed: int) -> Iterator[dict[str, Json]]:
    """Yield what `trials_of` chooses from, lazily, without checking the fields.

    It does not stop at the sweep's `cap`: random continues until the space is exhausted, if ever.
    """
    assert sweep.method != "bayes", "bayes has no trials before the first one ends"
    space = sweep.space()
    if sweep.method == "grid":
        return _product(space, range(_size(space)))
    if all(each.even for each in space.values()):
        return _product(space, _shuffled(_size(space), Random(seed)))
    return _draws(space, Random(seed))


def combinations(sweep: SweepConfig) -> int | None:
    """Count the different configurations; None if any distribution is continuous."""
    space = sweep.space()
    return None if any(each.size is None for each in space.values()) else _size(space)


def checked_size(sweep: SweepConfig) -> int | None:
    """Return the number of configurations of a grid; None for other methods. Raises ConfigError if
    there are too many, of random or bayes, too."""
    if sweep.method == "grid":
        size = combinations(sweep) or 0
        count = min(size, sweep.run_cap or sys.maxsize)
        if count > MOST_OF_A_GRID:
            raise ConfigError(
                f"sweep.parameters: the grid has {size:,} combinations, at most "
                f"{MOST_OF_A_GRID:,} can run; list fewer values, set run_cap, or use method random"
            )
        return count
    if (sweep.run_cap or 0) > MOST_LISTED:
        raise ConfigError(f"sweep.run_cap: {sweep.run_cap:,}, but at most {MOST_LISTED:,} can run")
    return None


def _changed(current: Section, section: str, change: dict[str, Json], names: dict[str, str]) -> Any:
    try:
        return type(current).model_validate({**dict(current), **change})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, *inside = first["loc"]
        where = place(("sweep", "parameters", names[f"{section}.{field}"], *inside))
        raise ConfigError(f"{where}: {problem(first, type(current))}") from None


def _size(space: Mapping[str, Distribution]) -> int:
    """Number of combinations, where every value can be listed."""
    return math.prod(each.size or 0 for each in space.values())


def _product(space: Mapping[str, Distribution], ranks: Iterable[int]) -> Iterator[dict[str, Json]]:
    """The combinations of these ranks: a rank is a number whose digits are the values' indices."""
    for rank in ranks:
        trial = {}
        for name, each in reversed(list(space.items())):
            assert each.size is not None
            rank, index = divmod(rank, each.size)
            trial[name] = each.at(index)
        yield dict(reversed(trial.items()))


def _shuffled(size: int, rng: Random) -> Iterator[int]:
    """0 … size-1 in random order, lazily: Fisher–Yates that keeps only the entries it has moved."""
    moved: dict[int, int] = {}
    for last in range(size - 1, -1, -1):
        pick = rng.randint(0, last)
        yield moved.get(pick, pick)
        moved[pick] = moved.get(last, last)


def _draws(space: Mapping[str, Distribution], rng: Random) -> Iterator[dict[str, Json]]:
    """Independent draws without repeats, until MAX_REPEATS in a row give nothing new."""
    seen: set[str] = set()
    repeats = 0
    while repeats < MAX_REPEATS:
        trial = {name: each.sample(rng) for name, each in space.items()}
        key = json.dumps(trial, sort_keys=True)
        repeats = repeats + 1 if key in seen else 0
        if key not in seen:
            seen.add(key)
            yield trial
