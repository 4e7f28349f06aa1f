"""What ends a sweep early, over a stand-in for Tune's loop: exactly when, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.search.budget import Budget
from raysweep.search.searcher import BudgetStopper
from raysweep.search.spec import BEST_SCORE, TrialSpec

from tuned import tune

RATES = [0.1, 0.2, 0.3, 0.4]


@pytest.fixture
def sweep(make_config: Callable[..., Config]) -> Callable[..., Config]:
    """sweep(max_trials=2): four trials of three epochs by validation/accuracy, with these keys."""

    def make(**keys: Any) -> Config:
        parameters = {"learning_rate": {"values": RATES}}
        return make_config(sweep={"method": "grid", "parameters": parameters, **keys})

    return make


def limits(config: Config, now: Callable[[], float] = lambda: 0) -> Budget:
    return Budget(config.sweep, started=0, clock=now)


def rising(spec: TrialSpec, epoch: int) -> float:
    """Trial 0 reaches 10, 20, 30; trial 1: 11, 21, 31; and so on."""
    return 10 * epoch + spec.index


def falling(spec: TrialSpec, epoch: int) -> float:
    return -rising(spec, epoch)


def test_without_a_budget_every_trial_runs_to_its_end(sweep: Callable[..., Config]) -> None:
    config = sweep()
    budget = limits(config)
    assert tune(config, rising, concurrent=2, budget=budget).epochs == [3, 3, 3, 3]
    assert budget.ended_by == "completed"


@pytest.mark.parametrize(("concurrent", "epochs"), [(1, [3, 2]), (2, [3, 2]), (3, [3, 2, 2])])
def test_the_target_ends_the_sweep_within_the_epoch(
    sweep: Callable[..., Config], concurrent: int, epochs: list[int]
) -> None:
    """Trial 1 reaches it after its epoch 2, when trial 0 is in its epoch 3, and 2 in its 2."""
    config = sweep(metric={"name": "validation/accuracy", "target": 21})
    budget = limits(config)
    found = tune(
        config,
        lambda spec, epoch: rising(spec, epoch) if spec.index else 0,
        concurrent=concurrent,
        budget=budget,
    )
    assert found.epochs == epochs
    assert budget.ended_by == "target"


def test_the_target_follows_the_goal(sweep: Callable[..., Config]) -> None:
    config = sweep(metric={"name": "validation/loss", "target": -20})
    budget = limits(config)
    assert tune(config, falling, budget=budget).epochs == [2]
    assert budget.ended_by == "target"
    never = limits(config)
    assert tune(config, rising, budget=never).epochs == [3, 3, 3, 3]
    assert never.ended_by == "completed"


def test_a_target_that_the_very_last_epoch_reaches_is_said(sweep: Callable[..., Config]) -> None:
    config = sweep(metric={"name": "validation/accuracy", "target": 33})
    budget = limits(config)
    assert tune(config, rising, budget=budget).epochs == [3, 3, 3, 3]
    assert budget.ended_by == "target"


def test_a_metric_that_is_not_finite_is_no_target(sweep: Callable[..., Config]) -> None:
    config = sweep(metric={"name": "validation/accuracy", "target": 21})
    budget = limits(config)
    tune(config, lambda spec, epoch: float("inf"), budget=budget)
    assert budget.ended_by == "completed"


@pytest.mark.parametrize("concurrent", [1, 3])
def test_max_trials(sweep: Callable[..., Config], concurrent: int) -> None:
    config = sweep(max_trials=2)
    budget = limits(config)
    assert tune(config, rising, concurrent=concurrent, budget=budget).epochs == [3, 3]
    assert budget.ended_by == "max_trials"


def test_a_budget_that_suffices_ends_nothing(sweep: Callable[..., Config]) -> None:
    config = sweep(max_trials=4, max_epochs_total=12, max_time=1)
    budget = limits(config)
    assert tune(config, rising, concurrent=2, budget=budget).epochs == [3, 3, 3, 3]
    assert budget.ended_by == "completed"


@pytest.mark.parametrize(
    ("most", "concurrent", "epochs"),
    [(5, 1, [3, 2]), (5, 2, [3, 2]), (4, 4, [1, 1, 1, 1]), (2, 4, [1, 1]), (7, 3, [3, 2, 2])],
)
def test_max_epochs_total_is_never_exceeded_however_many_run_at_once(
    sweep: Callable[..., Config], most: int, concurrent: int, epochs: list[int]
) -> None:
    config = sweep(max_epochs_total=most)
    budget = limits(config)
    found = tune(config, rising, concurrent=concurrent, budget=budget)
    assert found.epochs == epochs
    assert sum(found.epochs) == most
    assert budget.ended_by == "max_epochs_total"


def test_an_epoch_that_early_stopping_takes_from_a_trial_is_another_trials(
    sweep: Callable[..., Config],
) -> None:
    rule = {"type": "hyperband", "min_iter": 1, "eta": 3}
    config = sweep(max_epochs_total=6, early_terminate=rule)
    budget = limits(config)
    found = tune(config, falling, budget=budget)
    assert found.epochs == [3, 1, 1, 1], "each trial is worse than the first one"
    assert budget.ended_by == "max_epochs_total"


def test_a_failed_trial_leaves_the_rest_of_the_budget(sweep: Callable[..., Config]) -> None:
    def failing(spec: TrialSpec, epoch: int) -> float:
        if spec.index == 0:
            raise ValueError
        return rising(spec, epoch)

    config = sweep(max_epochs_total=6)
    assert tune(config, failing, budget=limits(config)).epochs == [0, 3, 2]


def test_max_time_lets_the_epoch_end_and_starts_no_other(sweep: Callable[..., Config]) -> None:
    config = sweep(max_time="10s")
    now = [0.0]

    def slow(spec: TrialSpec, epoch: int) -> float:
        now[0] += 3
        return rising(spec, epoch)

    budget = limits(config, lambda: now[0])
    assert tune(config, slow, budget=budget).epochs == [3, 1], "3, 6, 9 and 12 s"
    assert budget.ended_by == "max_time"


def test_the_first_reason_stays(sweep: Callable[..., Config]) -> None:
    config = sweep(max_epochs_total=2, max_trials=1)
    budget = limits(config)
    tune(config, rising, budget=budget)
    assert budget.ended_by == "max_epochs_total"


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_search_without_run_cap_goes_on_until_its_budget_ends(
    make_config: Callable[..., Config], method: str
) -> None:
    keys = {"method": method, "parameters": {"learning_rate": {"min": 0.001, "max": 0.1}}}
    config = make_config(sweep={**keys, "max_epochs_total": 14}, train={"epochs": 3})
    budget = limits(config)
    assert tune(config, rising, budget=budget).epochs == [3, 3, 3, 3, 2]
    assert budget.ended_by == "max_epochs_total"


@pytest.mark.parametrize("method", ["random", "bayes"])
@pytest.mark.parametrize(
    ("keys", "epochs", "why"),
    [
        ({"max_trials": 2}, [3, 3], "max_trials"),
        ({"max_trials": 3, "repeats": 2}, [3, 3, 3], "max_trials"),
        ({"max_epochs_total": 2}, [2], "max_epochs_total"),
    ],
)
def test_a_budget_that_is_the_only_limit_is_what_ended_the_sweep(
    make_config: Callable[..., Config],
    method: str,
    keys: dict[str, Any],
    epochs: list[int],
    why: str,
) -> None:
    space = {"learning_rate": {"min": 0.001, "max": 0.1}}
    config = make_config(sweep={"method": method, "parameters": space, **keys}, train={"epochs": 3})
    budget = limits(config)
    assert tune(config, rising, budget=budget).epochs == epochs
    assert budget.ended_by == why


def test_a_summary_at_the_end_is_no_further_epoch(sweep: Callable[..., Config]) -> None:
    budget = limits(sweep(max_epochs_total=5))
    stopper = BudgetStopper(budget, target_by_trial=True)

    def reports(trial: str, *counts: int) -> list[bool]:
        results = [{"trial": trial, "epochs": n, BEST_SCORE: 1.0, "done": False} for n in counts]
        results[-1]["done"] = True
        return [stopper(trial, result) for result in results]

    assert budget.may_start("a")
    assert reports("a", 1, 2, 2) == [False, False, False]  # two rows, and the summary
    assert budget.may_start("b")
    assert reports("b", 1) == [False]  # the summary alone
    assert budget.may_start("c")  # the fourth
    assert reports("c", 1, 2, 2) == [False, True, False]
    assert budget.ended_by == "max_epochs_total"
