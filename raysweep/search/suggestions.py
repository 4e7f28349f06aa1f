"""The sources of a sweep's configurations: the list of grid or random, or an Optuna study."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from raysweep.config import MAX_REPEATS, Distribution
from raysweep.config.trials import Grid
from raysweep.search.suggest import answer, suggest
from raysweep.selection import Goal

Values = Mapping[str, Any]
"""Parameter → value: the configuration of one trial, or of its repeats."""


ASKED_AGAIN = 20
"""How often a sampler is asked for values that the fields accept: refusals may teach it nothing."""


class Source(Protocol):
    """Gives configurations, numbered from 0, and receives their scores."""

    def next(self) -> Values | None:
        """Return the next configuration; None if none is left."""
        ...

    def next_again(self, values: Values) -> Values:
        """Repeat a `next` of an earlier driver, which returned these values (as JSON has them)."""
        ...

    def tell(self, number: int, score: float | None) -> None:
        """Record the score of configuration `number`; None if it failed. Called again if a failed
        trial of it was run again."""
        ...


class Listed:
    """The configurations of a grid or random sweep, known before the sweep starts."""

    def __init__(self, configurations: Sequence[Values]) -> None:
        """`configurations` may be made when they are asked for: a grid may have a million."""
        self._all = configurations
        self._next = 0
        self._taken: set[int] = set()
        """Places after `_next` whose configurations were tried out of turn."""

    def next(self) -> Values | None:
        self._pass_taken()
        if self._next >= len(self._all):
            return None
        self._next += 1
        return self._all[self._next - 1]

    def next_again(self, values: Values) -> Values:
        """See Source. Another version may list other configurations, or in another order: the
        values that were tried count, and are not tried twice. The number of trials is the same."""
        self._pass_taken()
        place = self._place(values)
        if place is None:
            self.next()
            return values
        self._taken.add(place)
        return self._all[place]

    def _place(self, values: Values) -> int | None:
        """Return where the values are among those that were not tried; None if they are not."""
        written = _written(values)
        if self._next < len(self._all) and _written(self._all[self._next]) == written:
            return self._next  # as nearly always
        if isinstance(self._all, Grid):
            place = self._all.place(values)
            found = [] if place is None else [place]
        else:
            found = self._places.get(written, [])
        untried = (place for place in found if place >= self._next and place not in self._taken)
        return next(untried, None)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Map each configuration, as JSON, to its places."""
        places: dict[str, list[int]] = {}
        for place, values in enumerate(self._all):
            places.setdefault(_written(values), []).append(place)
        return places

    def _pass_taken(self) -> None:
        while self._next in self._taken:
            self._taken.remove(self._next)
            self._next += 1

    def tell(self, number: int, score: float | None) -> None:
        """Do nothing: the list does not depend on scores."""


class Suggested:
    """An Optuna study, whose sampler suggests values and learns from scores."""

    def __init__(
        self,
        space: Mapping[str, Distribution],
        sampler: optuna.samplers.BaseSampler,
        direction: Goal,
        known: Sequence[FrozenTrial] = (),
        fits: Callable[[Values], bool] = lambda _: True,
    ) -> None:
        """`known`: completed trials of the same space. `fits`: whether the swept fields accept the
        values; a normal distribution has no bounds, so values that they refuse are asked again."""
        self._space = space
        self._fits = fits
        self._study = optuna.create_study(sampler=sampler, direction=direction)
        self._study.add_trials(known)
        self._asked: list[optuna.Trial] = []
        self._scored: set[int] = set()
        self._rng = Random(0)

    def next(self) -> Values | None:
        for _ in range(ASKED_AGAIN):
            trial = self._study.ask()
            values = suggest(self._space, trial)
            if self._fits(values):
                self._asked.append(trial)
                return values
            self._study.tell(trial, state=TrialState.PRUNED)  # TPE takes it as worse than any other
        return self._drawn()

    def next_again(self, values: Values) -> Values:
        """See Source. A sampler is deterministic: the same questions and scores in the same order
        restore its state. Another version of Optuna may suggest other values: those that were tried
        count."""
        suggested = self.next()
        if suggested is not None and _written(suggested) == _written(values):
            return suggested
        if suggested is not None:
            self._study.tell(self._asked.pop(), state=TrialState.PRUNED)
        return self._enqueued(values)

    def _drawn(self) -> Values | None:
        """Draw values at random that fit, instead of the sampler; None if hardly any do."""
        for _ in range(MAX_REPEATS):
            drawn = {name: each.sample(self._rng) for name, each in self._space.items()}
            if self._fits(drawn):
                return self._enqueued(drawn)
        return None

    def _enqueued(self, values: Values) -> Values:
        answers = {name: answer(self._space[name], value) for name, value in values.items()}
        self._study.enqueue_trial(answers)
        self._asked.append(self._study.ask())
        return suggest(self._space, self._asked[-1])

    def tell(self, number: int, score: float | None) -> None:
        asked = self._asked[number]
        if number not in self._scored:
            self._scored.add(number)
            state = TrialState.FAIL if score is None else TrialState.COMPLETE
            self._study.tell(asked, score, state)
        elif score is not None:  # Optuna cannot change a finished trial, so this is another one
            again = create_trial(
                params=asked.params, distributions=asked.distributions, value=score
            )
            self._study.add_trial(again)


def _written(values: Values) -> str:
    """Convert to JSON for comparison: as Python values, 1, 1.0 and true are equal."""
    return json.dumps(dict(values), sort_keys=True)
