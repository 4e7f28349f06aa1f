"""`early_terminate.order: sweep`: who is stopped is what one trial at a time would have decided."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysweep.config import Config
from raysweep.errors import ConfigError
from raysweep.search import search
from raysweep.search.brackets import Brackets
from raysweep.search.budget import Budget
from raysweep.search.order import SweepOrder, Verdict
from raysweep.search.searcher import TrialSearcher
from raysweep.search.spec import TrialSpec

BRACKETS = (1, 3)
EPOCHS = 5


@dataclass(frozen=True)
class Plan:
    """What a trial would come to: an epoch's value each; it fails in epoch `fails`, if any."""

    values: tuple[float, ...]
    fails: int | None


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    value = st.one_of(st.integers(0, 6).map(float), st.just(math.nan))
    found = []
    for _ in range(draw(st.integers(1, 9))):
        values = tuple(draw(value) for _ in range(draw(st.integers(1, EPOCHS))))
        fails = draw(st.one_of(st.none(), st.none(), st.integers(1, len(values))))
        found.append(Plan(values, fails))
    return found


def one_at_a_time(trials: list[Plan], eta: int, strict: bool) -> list[int]:
    """How many epochs each trains, by the rule that waits for nobody."""
    brackets = Brackets(BRACKETS, eta=eta, goal="minimize", strict=strict)
    trained = []
    for index, plan in enumerate(trials):
        for epoch, value in enumerate(plan.values, start=1):
            if plan.fails == epoch:
                epoch -= 1
                break
            brackets.report(str(index), epoch, value)
            if epoch < len(plan.values) and brackets.falls_behind(str(index)):
                break
        trained.append(epoch)
    return trained


def at_once(trials: list[Plan], eta: int, strict: bool, workers: int, rng: Random) -> list[int]:
    """The same in the order of the sweep: `workers` trials are under way, and the lot says whose
    epoch ends next. One that has to wait gives its worker back."""
    said: dict[int, tuple[int, Verdict]] = {}
    order = SweepOrder(
        BRACKETS,
        eta=eta,
        goal="minimize",
        strict=strict,
        say=lambda index, bracket, verdict: said.update({index: (bracket, verdict)}),
    )
    trained = [0] * len(trials)
    running: list[int] = []
    waiting: list[int] = []
    started = 0

    def end(index: int) -> None:
        running.remove(index)
        order.end(index)

    while running or waiting or started < len(trials):
        released = [index for index in waiting if order.verdict(index) != "wait"]
        while len(running) < workers and (released or started < len(trials)):
            if released:
                running.append(released.pop(0))
                waiting.remove(running[-1])
            else:
                running.append(started)
                order.start(started)
                started += 1
        assert running, f"all wait: {waiting}"
        index = rng.choice(running)
        plan, epoch = trials[index], trained[index] + 1
        if order.verdict(index) == "stop":
            assert said[index] == (trained[index], "stop")
            end(index)
        elif order.verdict(index) == "wait":
            running.remove(index)
            waiting.append(index)
        elif plan.fails == epoch:
            end(index)
        else:
            trained[index] = epoch
            last = epoch == len(plan.values)
            order.report(index, epoch, plan.values[epoch - 1], last=last)
            if last:
                end(index)
    return trained


@settings(deadline=None, max_examples=400)
@given(plans(), st.sampled_from([2, 3]), st.booleans(), st.integers(1, 8), st.integers(0, 999))
def test_no_timing_decides_anything(
    trials: list[Plan], eta: int, strict: bool, workers: int, lot: int
) -> None:
    expected = one_at_a_time(trials, eta, strict)
    assert at_once(trials, eta, strict, workers, Random(lot)) == expected


def test_by_arrival_timing_does_decide() -> None:
    """What the option is for: which of three is stopped depends on who came when."""
    stopped = []
    for arrival in ((2, 0, 1), (0, 1, 2)):
        brackets = Brackets((1,), eta=3, goal="minimize")
        for index in arrival:
            brackets.report(str(index), 1, float(index))
            if brackets.falls_behind(str(index)):
                stopped.append((arrival, index))
    assert stopped == [((0, 1, 2), 1), ((0, 1, 2), 2)]


def test_a_trial_waits_only_where_those_to_come_could_change_the_verdict() -> None:
    order = SweepOrder((1,), eta=3, goal="minimize")
    for index in range(8):
        order.start(index)
    for index, value in enumerate([4.0, 5.0, 1.0, 2.0, 3.0, 6.0]):
        order.report(index, 1, value)
    order.report(7, 1, 9.0)  # five are better: 7 is stopped, whatever 6 comes to
    assert order.verdict(7) == "stop"
    order = SweepOrder((1,), eta=3, goal="minimize")
    for index in range(3):
        order.start(index)
    order.report(2, 1, 1.0)
    assert order.verdict(2) == "wait"
    order.report(0, 1, 2.0)
    assert order.verdict(2) == "go", "one better than it, of three, would be within the third"


@dataclass
class Loop:
    """Tune's calls of the searcher."""

    searcher: TrialSearcher
    order: SweepOrder
    count: int = 0
    ids: dict[int, str] = field(default_factory=dict)

    def suggest(self) -> TrialSpec | str | None:
        self.count += 1
        given = self.searcher.suggest(f"tune-{self.count}")
        if not isinstance(given, dict):
            return given  # type: ignore[no-any-return]
        spec = TrialSpec.from_config(given)
        self.ids[spec.index] = f"tune-{self.count}"
        return spec

    def parks(self, index: int, epochs: int) -> None:
        result: dict[str, Any] = {"gate": "wait", "epochs": epochs}
        self.searcher.on_trial_complete(self.ids[index], result)

    def ends(self, index: int) -> None:
        self.searcher.on_trial_complete(self.ids[index], {"best/validation/accuracy": 1.0})


@pytest.fixture
def loop(make_config: Callable[..., Config]) -> Callable[..., Loop]:
    def make(clock: Callable[[], float] = lambda: 0, **budgets: Any) -> Loop:
        sweep = {
            "method": "grid",
            "parameters": {"learning_rate": {"values": [0.1, 0.2, 0.3]}},
            "early_terminate": {"type": "hyperband", "min_iter": 1, "order": "sweep"},
            **budgets,
        }
        config = make_config(sweep=sweep, train={"epochs": 4})
        order = search.sweep_order(config, 4)
        assert order is not None
        budget = Budget(config.sweep, 0, clock)
        return Loop(search.algorithm(config, budget, order=order), order)

    return make


def test_one_that_waits_gives_its_worker_to_the_next(loop: Callable[..., Loop]) -> None:
    tune = loop()
    assert [tune.suggest().index for _ in range(2)] == [0, 1]  # type: ignore[union-attr]
    tune.order.report(1, 1, 50.0)
    tune.parks(1, epochs=1)
    later = tune.suggest()
    assert isinstance(later, TrialSpec) and (later.index, later.told) == (2, None)
    assert tune.suggest() is None, "one runs and one waits: it is not the end"
    tune.order.report(0, 1, 40.0)
    again = tune.suggest()
    assert isinstance(again, TrialSpec) and (again.index, again.told) == (1, 1)


def test_an_end_of_those_before_it_lets_a_trial_go_on(loop: Callable[..., Loop]) -> None:
    tune = loop()
    for _ in range(3):
        tune.suggest()
    tune.order.report(2, 1, 50.0)
    tune.parks(2, epochs=1)
    for index in (0, 1):
        assert tune.suggest() is None
        tune.ends(index)
    again = tune.suggest()
    assert isinstance(again, TrialSpec) and again.index == 2
    tune.ends(2)
    assert tune.suggest() == TrialSearcher.FINISHED


def test_one_that_waited_until_the_time_was_up_trains_no_further(loop: Callable[..., Loop]) -> None:
    now = [0.0]
    tune = loop(clock=lambda: now[0], max_time=10)
    for _ in range(2):
        tune.suggest()
    tune.order.report(1, 1, 50.0)
    tune.parks(1, epochs=1)
    now[0] = 11
    tune.ends(0)
    again = tune.suggest()
    assert isinstance(again, TrialSpec) and again.index == 1
    assert tune.order.verdict(1) == "stop"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "bayes"}, "sampler tpe learns from results as they arrive"),
        ({"method": "bayes", "sampler": "gp"}, "sampler gp learns"),
        ({"early_terminate": {"type": "median", "order": "sweep"}}, "median compares trials at"),
    ],
)
def test_what_timing_decides_anyway_is_refused(
    changes: dict[str, Any], words: str, make_config: Callable[..., Config]
) -> None:
    halving = {"type": "hyperband", "min_iter": 1, "order": "sweep"}
    sweep = {"method": "random", "run_cap": 3, "early_terminate": halving, **changes}
    with pytest.raises(ConfigError, match=f"sweep.early_terminate.order: {words}"):
        make_config(sweep={**sweep, "parameters": {"learning_rate": {"min": 0.1, "max": 0.2}}})


def test_a_sampler_that_learns_nothing_may_be_asked(make_config: Callable[..., Config]) -> None:
    halving = {"type": "hyperband", "min_iter": 1, "order": "sweep"}
    sweep = {"method": "bayes", "sampler": "qmc", "run_cap": 3, "early_terminate": halving}
    make_config(sweep={**sweep, "parameters": {"learning_rate": {"min": 0.1, "max": 0.2}}})
