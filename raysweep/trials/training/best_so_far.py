"""Keep the weights of a trial's best epoch while it trains further ones; they become its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from raysweep.config import Config
from raysweep.ml.protocols import EpochMetrics, Trainer
from raysweep.ml.weights import copy_to_cpu
from raysweep.selection import Goal, best_epoch


class BestSoFar:
    """The best epoch of a trial so far, with its weights. Where the metric was never finite it is
    the last epoch: lineage needs a model."""

    def __init__(self, config: Config, metric: str, goal: Goal) -> None:
        self._metric, self._goal = metric, goal
        self.config = config
        """The trial's config at that epoch: in a population it changes."""
        self.epoch: EpochMetrics | None = None
        self.weights: Mapping[str, Any] = {}

    def see(self, epoch: EpochMetrics, trainer: Trainer, config: Config) -> None:
        """Keep the epoch that `trainer` has just trained, unless an earlier one was better."""
        history = [each.as_metrics() for each in (self.epoch, epoch) if each]
        best = best_epoch(history, self._metric, self._goal)
        if best is None or best is history[-1]:
            self.epoch, self.config = epoch, config
            self.weights = copy_to_cpu(trainer.model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and its weights, without the config."""
        return {"epoch": asdict(self.epoch) if self.epoch else None, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any], config: Config) -> None:
        """Restore what `state_dict` returned. `config`: the trial's config at that epoch."""
        self.epoch = EpochMetrics(**state["epoch"]) if state["epoch"] else None
        self.weights, self.config = dict(state["weights"]), config
