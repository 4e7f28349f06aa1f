"""Where the trials of a sweep come from: the list of a grid or random sweep, or Optuna's study."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from raysweep.config import MAX_REPEATS, Distribution
from raysweep.search.suggest import answer, suggest
from raysweep.selection import Goal

Values = Mapping[str, Any]
"""Parameter → value: the configuration of one trial, or of its repeats."""


ASKED_AGAIN = 20
"""How often a sampler is asked for values that the fields take: it may learn, and may not."""


class Source(Protocol):
    """Gives configurations, each by its number from 0, and is told what they came to."""

    def next(self) -> Values | None:
        """The next configuration, or None where there is none left."""
        ...

    def next_again(self, values: Values) -> Values:
        """`next` as an earlier process was answered, with these values as JSON has them."""
        ...

    def tell(self, number: int, score: float | None) -> None:
        """Configuration `number` came to `score`; None: it failed. Told again where a trial of it
        that failed was run again."""
        ...


class Listed:
    """The configurations of a grid or random sweep, known before it starts."""

    def __init__(self, configurations: Iterable[Values]) -> None:
        self._left = deque(configurations)

    def next(self) -> Values | None:
        return self._left.popleft() if self._left else None

    def next_again(self, values: Values) -> Values:
        """See Source. Another version may list them in another order, or others: what was tried
        then is what counts, and is not tried twice. There are as many in all."""
        for position, listed in enumerate(self._left):
            if _written(listed) == _written(values):
                del self._left[position]
                return listed
        self.next()
        return values

    def tell(self, number: int, score: float | None) -> None:
        """What was listed does not depend on it."""


class Suggested:
    """An Optuna study: its sampler suggests, and learns from what it is told."""

    def __init__(
        self,
        space: Mapping[str, Distribution],
        sampler: optuna.samplers.BaseSampler,
        direction: Goal,
        known: Sequence[FrozenTrial] = (),
        fits: Callable[[Values], bool] = lambda _: True,
    ) -> None:
        """`known`: completed trials of the same space. `fits`: whether the swept fields take the
        values; a bell curve has no bounds, and what they do not take is asked for again."""
        self._space = space
        self._fits = fits
        self._study = optuna.create_study(sampler=sampler, direction=direction)
        self._study.add_trials(known)
        self._asked: list[optuna.Trial] = []
        self._told: set[int] = set()
        self._rng = Random(0)

    def next(self) -> Values | None:
        for _ in range(ASKED_AGAIN):
            trial = self._study.ask()
            values = suggest(self._space, trial)
            if self._fits(values):
                self._asked.append(trial)
                return values
            self._study.tell(trial, state=TrialState.PRUNED)  # to TPE, worse than any other
        return self._drawn()

    def next_again(self, values: Values) -> Values:
        """See Source. A sampler that is asked the same and told the same suggests the same, so it
        comes to the state that it had. Another version of Optuna's may not: what was tried then is
        what counts."""
        suggested = self.next()
        if suggested is not None and _written(suggested) == _written(values):
            return suggested
        if suggested is not None:
            self._study.tell(self._asked.pop(), state=TrialState.PRUNED)
        return self._enqueued(values)

    def _drawn(self) -> Values | None:
        """A random draw that fits, in the sampler's place; None where hardly any does."""
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
        if number not in self._told:
            self._told.add(number)
            state = TrialState.FAIL if score is None else TrialState.COMPLETE
            self._study.tell(asked, score, state)
        elif score is not None:  # what Optuna was told it keeps: this is another trial to it
            again = create_trial(
                params=asked.params, distributions=asked.distributions, value=score
            )
            self._study.add_trial(again)


def _written(values: Values) -> str:
    """For comparing: as Python values, 1, 1.0 and true are equal."""
    return json.dumps(dict(values), sort_keys=True)
