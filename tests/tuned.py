"""A stand-in for Ray Tune's loop: asks the same questions in the same order, and trains nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ray.tune.experiment import Trial

from raysweep.config import Config, apply
from raysweep.search import search
from raysweep.search.budget import Budget
from raysweep.search.space import longest_epochs, unlimited_trial_count
from raysweep.search.spec import BEST_SCORE, SCORE, TrialSpec

Metric = Callable[[TrialSpec, int], float]
"""(trial, epoch from 1) → what the sweep's metric comes to there; it may raise: the trial fails."""


@dataclass
class Tuned:
    """What became of the trials: each one's spec, its history, and whether it failed."""

    specs: list[TrialSpec] = field(default_factory=list)
    histories: list[list[float]] = field(default_factory=list)

    @property
    def epochs(self) -> list[int]:
        return [len(history) for history in self.histories]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [dict(spec.overrides) for spec in self.specs]


def tune(
    config: Config,
    metric: Metric,
    *,
    concurrent: int = 1,
    budget: Budget | None = None,
    **known: Any,
) -> Tuned:
    """Run the sweep of `config`: `concurrent` trials take turns, an epoch each."""
    budget = budget or Budget(config.sweep, started=0, clock=lambda: 0)
    searcher, stopper = search.algorithm(config, budget, **known), search.stopper(config, budget)
    scheduler = search.scheduler(config, longest_epochs(config))
    found, running, most = Tuned(), deque[_Running](), unlimited_trial_count(config)
    finished = False
    while True:
        while not finished and len(running) < concurrent and len(found.specs) < most:
            suggested = searcher.suggest(f"trial-{len(found.specs)}")
            if suggested is None:
                break
            if suggested == searcher.FINISHED:
                finished = True
                break
            trial = _Running(config, TrialSpec.from_config(suggested))
            scheduler.on_trial_add(None, trial.stub)
            found.specs.append(trial.spec)
            found.histories.append(trial.history)
            running.append(trial)
        if not running:
            return found
        trial = running.popleft()
        try:
            result = trial.step(metric, config)
        except ValueError:
            searcher.on_trial_complete(trial.stub.trial_id, {"failed": "ValueError"})
            continue
        if stopper(trial.stub.trial_id, result) or result["done"]:
            stop = True
        else:
            stop = scheduler.on_trial_result(None, trial.stub, result) == scheduler.STOP
        if not stop:
            searcher.on_trial_result(trial.stub.trial_id, result)
            running.append(trial)
            continue
        scheduler.on_trial_complete(None, trial.stub, result)
        searcher.on_trial_complete(trial.stub.trial_id, result)


class _Running:
    def __init__(self, config: Config, spec: TrialSpec) -> None:
        self.spec = spec
        self.epochs = apply(config, spec.overrides).train.epochs
        self.history: list[float] = []
        self.stub = Trial("stub", trial_id=f"trial-{spec.index}", stub=True)

    def step(self, metric: Metric, config: Config) -> dict[str, Any]:
        goal = config.sweep.metric.goal
        self.history.append(metric(self.spec, len(self.history) + 1))
        best = min(self.history) if goal == "minimize" else max(self.history)
        return {
            SCORE: self.history[-1],
            BEST_SCORE: best,
            "trial": self.spec.name,
            "epochs": len(self.history),
            "done": len(self.history) == self.epochs,
        }
