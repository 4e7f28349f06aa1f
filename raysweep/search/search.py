"""Make Ray Tune's search algorithm, stopper and scheduler from the config's `sweep` section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from optuna.trial import FrozenTrial
from ray.tune.schedulers import TrialScheduler

from raysweep.config import Config, SamplerConfig, fits, trials_of
from raysweep.search.brackets import Brackets
from raysweep.search.budget import Budget
from raysweep.search.failures import Failures
from raysweep.search.median import MedianRule
from raysweep.search.order import SweepOrder, Verdict
from raysweep.search.samplers import make_sampler, silence_optuna
from raysweep.search.schedulers import Hyperband, InOrder, Median
from raysweep.search.searcher import BudgetStopper, TrialSearcher
from raysweep.search.space import unlimited_trial_count
from raysweep.search.spec import SCORE, TrialSpec
from raysweep.search.suggestions import Listed, Source, Suggested
from raysweep.search.turns import InTurn

MODES = {"minimize": "min", "maximize": "max"}


def algorithm(
    config: Config,
    budget: Budget,
    known: Sequence[FrozenTrial] = (),
    note: Callable[[TrialSpec], None] = lambda spec: None,
    order: SweepOrder | None = None,
    failures: Failures | None = None,
) -> TrialSearcher:
    """Make the searcher from which Tune gets its trials.

    `known`: completed trials that the sampler learns from before the first; `note` is called with
    each new trial; `order` is the scheduler's; once `failures` gives the sweep up, no trial starts.
    """
    sweep = config.sweep
    return TrialSearcher(
        _source(config, known),
        budget,
        mode=MODES[sweep.metric.goal],
        most=unlimited_trial_count(config),
        repeats=sweep.repeats,
        note=note,
        order=order,
        failures=failures,
    )


def stopper(config: Config, budget: Budget) -> BudgetStopper:
    """Make the stopper that ends a trial between two epochs when the sweep ends."""
    return BudgetStopper(budget, target_by_trial=config.sweep.repeats == 1)


def sweep_order(
    config: Config,
    longest: int | None,
    say: Callable[[int, int, Verdict], None] = lambda *said: None,
) -> SweepOrder | None:
    """Make what decides in the order of the sweep, if `early_terminate` asks for that. `longest`:
    the most reports of a trial, None where nobody knows; `say`: see SweepOrder."""
    rule, metric = config.sweep.early_terminate, config.sweep.metric
    if rule is None or rule.order != "sweep":
        return None
    places = rule.brackets(longest)
    return SweepOrder(places, eta=rule.eta, goal=metric.goal, strict=rule.strict, say=say)


def scheduler(
    config: Config, longest: int | None, order: SweepOrder | None = None
) -> TrialScheduler:
    """Make Tune's scheduler for `early_terminate`; without it every trial runs to its end.
    `longest` and `order`: see `sweep_order`."""
    rule, metric = config.sweep.early_terminate, config.sweep.metric
    if rule is None:
        return InTurn()
    if order is not None:
        return InOrder(order, SCORE)
    if rule.type == "hyperband":
        places = rule.brackets(longest)
        brackets = Brackets(places, eta=rule.eta, goal=metric.goal, strict=rule.strict)
        return Hyperband(brackets, SCORE)
    return Median(MedianRule(metric.goal, grace_period=rule.min_iter or 1), SCORE)


def _source(config: Config, known: Sequence[FrozenTrial]) -> Source:
    """Make the source of configurations: a list for grid and random, a study for bayes."""
    sweep = config.sweep
    if sweep.method != "bayes":
        return Listed(trials_of(config))
    silence_optuna()
    sampler = make_sampler(sweep.sampler or SamplerConfig(type="tpe"), config.train.seed, known)
    return Suggested(sweep.space(), sampler, sweep.metric.goal, known, partial(fits, config))
