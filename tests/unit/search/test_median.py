"""The median rule, against Ray's."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler, MedianStoppingRule

from raysweep.cluster.tune_internals import stub_trial
from raysweep.search.median import MedianRule

GOALS = [("minimize", "min"), ("maximize", "max")]


@pytest.mark.parametrize(("goal", "mode"), GOALS)
@pytest.mark.parametrize("grace_period", [1, 2])
def test_it_stops_what_rays_rule_stops(goal: str, mode: str, grace_period: int) -> None:
    """Trials of up to six epochs, some at once. The last report of each comes when it has ended, of
    a stopped one for the second time, as Tune has it. The values have no ties."""
    rng, rule = random.Random(grace_period), MedianRule(goal, grace_period)
    rays: Any = MedianStoppingRule(
        time_attr="epochs",
        metric="score",
        mode=mode,
        grace_period=grace_period,
        min_time_slice=math.inf,  # type: ignore[arg-type]
    )
    decided = {FIFOScheduler.STOP: 0, FIFOScheduler.CONTINUE: 0}
    running: dict[str, tuple[Any, int]] = {}
    for _ in range(500):
        if len(running) < 3:
            name = f"trial-{rng.random()}"
            running[name] = (stub_trial(name), 0)
        name, (trial, epoch) = rng.choice(list(running.items()))
        epoch += 1
        result = {"epochs": epoch, "score": rng.random() + 0.1 * epoch}
        rule.report(name, epoch, result["score"])
        if epoch == 6:
            rays.on_trial_complete(None, trial, result)
            del running[name]
            continue
        decision = rays.on_trial_result(None, trial, result)
        assert rule.falls_behind(name, epoch) == (decision == FIFOScheduler.STOP)
        decided[decision] += 1
        running[name] = (trial, epoch)
        if decision == FIFOScheduler.STOP:
            rays.on_trial_complete(None, trial, result)
            rule.report(name, epoch, result["score"])
            del running[name]
    assert min(decided.values()) > 20


def test_a_trial_that_starts_over_is_forgotten() -> None:
    rule, fresh = MedianRule("minimize", 1), MedianRule("minimize", 1)
    for each in (rule, fresh):
        for number, value in enumerate([2.0, 4.0, 6.0]):
            each.report(f"{number}", 1, value)
    rule.report("again", 1, 1.0)
    rule.report("again", 2, 1.0)
    rule.forget("again")
    for each in (rule, fresh):
        each.report("again", 1, 5.0)
        assert each.falls_behind("again", 1)
        assert each.falls_behind("2", 1), "the median of 2, 4 and 5 is below 6"
