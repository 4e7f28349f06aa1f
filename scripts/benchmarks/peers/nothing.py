"""Parts of a sweep that do nothing, so that only the sweep's own overhead is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from raysweep.ml.protocols import EpochMetrics, Evaluation, Goal, Split, Splits


def sweep(trials: int) -> dict[str, Any]:
    """Return the config of a sweep of so many no-op trials."""
    here = "benchmarks.peers.nothing"
    return {
        "data": {"target": f"{here}:data"},
        "preprocess": {"normalize": False, "expand_dims": False},
        "model": {"target": f"{here}:network"},
        "train": {"target": f"{here}:Trainer", "epochs": 2},
        "evaluate": {"target": f"{here}:evaluate"},
        "tracking": {"backend": "trackio"},
        "sweep": {
            "method": "grid",
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": {
                "value": {"distribution": "q_uniform", "min": 0.0, "max": trials - 1.0, "q": 1.0}
            },
        },
    }


def data() -> Splits:
    """Return one example per split."""
    return Splits(*(Split(torch.zeros(1, 1), torch.zeros(1)) for _ in range(3)))


def network() -> nn.Module:
    """Return a network (B, 1) -> (B, 1)."""
    return nn.Linear(1, 1)


class Trainer:
    """Reports the same number each epoch."""

    metrics: ClassVar[Mapping[str, Goal]] = {"loss": "minimize"}

    def __init__(
        self,
        model: nn.Module,
        training: Split,
        validation: Split,
        *,
        seed: int,
        device: torch.device,
        epochs: int = 2,
        value: float = 0.0,
    ) -> None:
        self.model, self._epochs, self._value, self._done = model, epochs, value, 0

    @property
    def done(self) -> bool:
        """See raysweep.ml.protocols.Trainer."""
        return self._done >= self._epochs

    def epoch(self) -> Iterator[EpochMetrics]:
        """See raysweep.ml.protocols.Trainer."""
        self._done += 1
        yield EpochMetrics(self._done - 1, self._done, {"loss": self._value})

    def state_dict(self) -> dict[str, Any]:
        """See raysweep.ml.protocols.Trainer."""
        return {"done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See raysweep.ml.protocols.Trainer."""
        self._done = state["done"]


def evaluate(*, model: nn.Module, test: Split, device: torch.device) -> Evaluation:
    """Return a single constant score."""
    return Evaluation({"loss": 0.0})
