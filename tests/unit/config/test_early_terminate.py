"""`early_terminate`: W&B's brackets, and the messages for invalid keys."""

from __future__ import annotations

from typing import Any

import pytest

from raysweep.config import Config, EarlyTerminate
from raysweep.errors import ConfigError


def rule(**keys: Any) -> EarlyTerminate:
    return EarlyTerminate.model_validate({"type": "hyperband", **keys})


@pytest.mark.parametrize(
    ("keys", "brackets"),
    [
        ({}, (10, 30)),
        ({"eta": 2}, (10, 20)),
        ({"min_iter": 1}, (1, 3, 9, 27)),
        ({"min_iter": 3}, (3, 9, 27)),
        ({"min_iter": 3, "eta": 2}, (3, 6, 12, 24)),
        ({"min_iter": 31}, ()),
        ({"max_iter": 27, "s": 2}, (3, 9)),
        ({"max_iter": 27, "s": 2, "eta": 2}, (6, 13)),
        ({"max_iter": 10, "s": 2}, (1, 3)),
        ({"max_iter": 10, "s": 9}, (1, 3)),
        ({"max_iter": 27, "s": 1000, "eta": 2}, (1, 3, 6, 13)),
        ({"max_iter": 1000, "s": 2}, ()),
        ({"min_iter": 3, "max_iter": 20}, (3, 9, 27)),
        ({"min_iter": 3, "s": 2}, (3, 9, 27)),
        ({"min_iter": 5, "max_iter": 27, "s": 1}, (9,)),
        ({"type": "median"}, tuple(range(1, 31))),
        ({"type": "median", "min_iter": 28}, (28, 29, 30)),
    ],
)
def test_the_brackets_within_thirty_epochs(keys: dict[str, Any], brackets: tuple[int, ...]) -> None:
    assert rule(**keys).brackets(longest=30) == brackets


@pytest.mark.parametrize(("longest", "first"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (9, 3)])
def test_nobody_is_stopped_in_the_first_third_unless_asked(longest: int, first: int) -> None:
    assert rule().brackets(longest)[0] == first


def test_the_brackets_of_trials_whose_length_nobody_knows() -> None:
    assert rule(min_iter=2).brackets(None)[:4] == (2, 6, 18, 54)
    assert rule(max_iter=27, s=2, eta=2).brackets(None) == (6, 13)


def test_a_rule_says_what_it_does() -> None:
    assert rule(min_iter=1).describe(9) == "hyperband (at epoch 1, 3, 9, 1 in 3 continues)"
    assert rule(type="median", min_iter=2).describe(9) == "median (from epoch 2)"
    assert rule(type="median").describe(None) == "median (from epoch 1)"
    endless = "hyperband (at epoch 2, 6, 18, 54, …, 1 in 3 continues)"
    assert rule(min_iter=2).describe(None) == endless
    assert rule(max_iter=27, s=2).describe(None) == "hyperband (at epoch 3, 9, 1 in 3 continues)"
    outside = "hyperband, which has no bracket within 3 epochs"
    assert rule(min_iter=4).describe(3) == outside


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "hyperbnd"}, "type: expected one of hyperband, median"),
        ({"type": "median", "eta": 2}, "eta: means nothing to median, which takes min_iter"),
        ({"type": "median", "strict": True}, "strict: means nothing to median"),
        ({"max_iter": 2, "s": 1}, "max_iter: 2 / eta 3 is less than one epoch"),
        ({"min_iter": 0}, "min_iter: expected at least 1, got 0"),
        ({"min_iter": 1, "eta": 1}, "eta: expected at least 2, got 1"),
        ({"min_iter": 1, "strict": "yes"}, "strict: expected true or false"),
        ({"max_iter": 9}, "give max_iter and s, or neither"),
    ],
)
def test_an_invalid_rule_is_refused_in_one_line(keys: dict[str, Any], message: str) -> None:
    sweep = {
        "method": "grid",
        "parameters": {},
        "early_terminate": {"type": "hyperband", **keys},
    }
    with pytest.raises(ConfigError) as caught:
        Config.from_dict({"sweep": sweep})
    assert str(caught.value).startswith("sweep.early_terminate")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "notices"),
    [
        ({"min_iter": 1}, ()),
        ({"max_iter": 9, "s": 2}, ()),
        (
            {"min_iter": 1, "max_iter": 9},
            ("max_iter: not used without s: min_iter says the brackets",),
        ),
        ({"min_iter": 1, "s": 2}, ("s: not used without max_iter: min_iter says the brackets",)),
        ({"min_iter": 1, "max_iter": 9, "s": 2}, ("min_iter: not used beside max_iter and s",)),
    ],
)
def test_keys_of_both_ways_are_taken_as_in_wandb_and_named(
    keys: dict[str, Any], notices: tuple[str, ...]
) -> None:
    rule = {"type": "hyperband", **keys}
    config = Config.from_dict(
        {"sweep": {"method": "grid", "parameters": {}, "early_terminate": rule}}
    )
    assert config.notices == tuple(f"sweep.early_terminate.{each}" for each in notices)
