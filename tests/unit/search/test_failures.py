"""When a sweep is given up, and what the search is told of a trial that is run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from raysweep.config import Config, Uniform
from raysweep.config.failure import Failure
from raysweep.search import search
from raysweep.search.budget import Budget
from raysweep.search.failures import Failures, Hopeless, cause
from raysweep.search.searcher import TrialSearcher
from raysweep.search.spec import TrialSpec
from raysweep.search.suggestions import Suggested

from tuned import tune


def hopeless(*ends: str | None, most: int | None = 3) -> bool:
    """Whether a sweep is given up whose trials ended like this; None: well."""
    failures = Failures(most)
    for error in ends:
        failures.see("trial", None if error is None else Failure(error))
    return failures.hopeless


def test_so_many_in_a_row_with_one_cause_are_enough() -> None:
    assert not hopeless("ValueError: x", "ValueError: x")
    assert hopeless("ValueError: x", "ValueError: x", "ValueError: x")
    assert hopeless("KeyError: y", *["ValueError: x"] * 3)
    assert not hopeless("ValueError: x", "ValueError: x", "KeyError: y", "ValueError: x")


def test_one_that_ended_well_says_that_the_sweep_can_succeed() -> None:
    assert not hopeless(None, *["ValueError: x"] * 9)
    assert not hopeless(*["ValueError: x"] * 9, None)


@pytest.mark.parametrize("most", [0, None])
def test_it_can_be_switched_off(most: int | None) -> None:
    assert not hopeless(*["ValueError: x"] * 99, most=most)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ValueError: rate 0.013 is too high", "ValueError: rate 1.7e-05 is too high", True),
        ("RuntimeError: at 0x7f3a", "RuntimeError: at 0x11ce", True),
        ("ValueError: bad", "TypeError: bad", False),
        ("KeyError: 'x' (nets.py:12 in f)", "KeyError: 'x' (loss.py:12 in g)", False),
    ],
)
def test_numbers_make_no_other_cause(one: str, other: str, same: bool) -> None:
    assert (cause(one) == cause(other)) is same


def test_what_is_said_names_the_cause() -> None:
    failures = Failures(2)
    failures.check("mine")
    for value in (1, 2):
        failures.see(f"trial-{value}", Failure(f"ValueError: bad {value}", None, f"at {value}"))
    says = r"mine stopped: 2 trials in a row .* \(ValueError: bad 2\)"
    with pytest.raises(Hopeless, match=says) as caught:
        failures.check("mine")
    assert (caught.value.trial, caught.value.traceback) == ("trial-2", "at 2")


def searcher(config: Config, failures: Failures | None = None) -> TrialSearcher:
    return search.algorithm(config, Budget(config.sweep, 0, lambda: 0), failures=failures)


def test_no_trial_starts_any_more_unless_one_that_runs_ends_well(
    make_config: Callable[..., Config],
) -> None:
    sweep = {"method": "grid", "parameters": {"learning_rate": {"values": [0.1, 0.2, 0.3, 0.4]}}}
    failures = Failures(2)
    trials = searcher(make_config(sweep=sweep), failures)
    for name in "abc":
        trials.suggest(name)
    for name in "ab":
        trials.on_trial_complete(name, {"failed": "ValueError"})
        failures.see(name, Failure("ValueError"))
    assert trials.suggest("d") is None, "the third may end well"
    trials.on_trial_complete("c", {"best/validation/accuracy": 1.0})
    failures.see("c", None)
    assert isinstance(trials.suggest("d"), dict)


def test_it_is_over_when_the_last_one_has_failed_too(make_config: Callable[..., Config]) -> None:
    sweep = {"method": "grid", "parameters": {"learning_rate": {"values": [0.1, 0.2, 0.3]}}}
    failures = Failures(2)
    trials = searcher(make_config(sweep=sweep), failures)
    for name in "ab":
        trials.suggest(name)
    for name in "ab":
        trials.on_trial_complete(name, {"failed": "ValueError"})
        failures.see(name, Failure("ValueError"))
    assert trials.suggest("c") == TrialSearcher.FINISHED


def test_a_sampler_learns_what_a_trial_that_failed_came_to_after_all() -> None:
    source = Suggested({"x": Uniform(0, 1)}, optuna.samplers.RandomSampler(seed=1), "minimize")
    first, second = source.next(), source.next()
    assert first is not None and second is not None
    source.tell(0, None)
    source.tell(1, 3.0)
    source.tell(0, 2.0)
    told = [(t.params["x"], t.value) for t in source._study.get_trials() if t.value is not None]
    assert told == [(second["x"], 3.0), (first["x"], 2.0)]
    source.tell(0, None)
    assert len(source._study.trials) == 3


def test_a_configuration_is_told_again_with_the_repeat_that_it_lacked(
    make_config: Callable[..., Config],
) -> None:
    sweep: dict[str, Any] = {
        "method": "bayes",
        "sampler": "random",
        "run_cap": 2,
        "repeats": 2,
        "metric": {"name": "validation/loss", "target": 1.0},
        "parameters": {"learning_rate": {"min": 0.01, "max": 0.1}},
    }
    trials = searcher(make_config(sweep=sweep))
    for name in "ab":
        trials.suggest(name)
    specs = [TrialSpec(index, {}, index) for index in range(2)]
    trials.ended(specs[0], 2.0)
    trials.ended(specs[1], None, failed=True)
    trials.begin_again(specs[1])
    trials.ended(specs[1], 4.0)
    values = [trial.value for trial in trials._source._study.get_trials()]  # type: ignore[attr-defined]
    assert values == [2.0, 3.0]


def test_the_limit_is_the_schemas(make_config: Callable[..., Config]) -> None:
    assert make_config().resources.max_consecutive_failures == 5
    config = make_config(resources={"max_consecutive_failures": None})
    assert Failures(config.resources.max_consecutive_failures).hopeless is False
    assert tune(config, lambda spec, epoch: 1.0).specs
