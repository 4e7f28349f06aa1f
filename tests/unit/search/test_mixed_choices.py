"""Choices that Python takes for equal, 1, 1.0 and true, are different values to a sweep."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import optuna
import pytest

from raysweep.config import Categorical, Constant
from raysweep.search.population import nudged
from raysweep.search.suggest import answer
from raysweep.search.suggestions import Suggested

MIXED = (1, 1.0, True, 0, False, "1", (1, 2), (1.0, 2))


def recorded(value: Any) -> Any:
    """As a journal and a tracker keep it."""
    return json.loads(json.dumps(value))


def test_each_choice_has_its_own_index() -> None:
    even = Categorical(MIXED)
    assert [answer(even, recorded(value)) for value in MIXED] == list(range(len(MIXED)))
    odds = Categorical(MIXED, (0.125,) * len(MIXED))
    found = [odds.quantile(answer(odds, recorded(value))) for value in MIXED]
    assert list(map(repr, found)) == list(map(repr, MIXED))


def test_a_number_whose_type_a_record_has_lost_is_still_found() -> None:
    assert answer(Categorical((0.1, 1.0)), 1) == 1
    assert answer(Categorical(((3, 5), (3.0, 6.0))), [3, 6]) == 1
    assert answer(Constant(1.0), 1) == 1


@pytest.mark.parametrize("choices", [(0, 1), (0.0, 1.0), ("true",), ((1, 2), (1,))])
def test_a_boolean_is_no_number(choices: tuple[Any, ...]) -> None:
    for value in (True, [True, 2]):
        with pytest.raises(ValueError, match="is none of"):
            answer(Categorical(choices), value)


def test_a_constant_of_another_type_is_another_value() -> None:
    with pytest.raises(ValueError, match="is none of"):
        answer(Constant(True), 1)


def test_a_resumed_sampler_is_told_the_choice_that_was_tried() -> None:
    """Another version of the sampler suggests something else: what was tried then counts."""
    space = {"value": Categorical(MIXED)}
    for index, tried in enumerate(MIXED):
        source = Suggested(space, optuna.samplers.RandomSampler(seed=7), "minimize")
        given = source.next_again({"value": recorded(tried)})
        assert repr(given["value"]) == repr(tried)
        assert source._study.trials[-1].params == {"value": index}


def test_a_population_moves_to_the_choices_neighbour() -> None:
    for index in range(1, len(MIXED) - 1):
        near = {repr(MIXED[index - 1]), repr(MIXED[index + 1])}
        drawn = {repr(nudged(Categorical(MIXED), MIXED[index], Random(i))) for i in range(20)}
        assert drawn == near
