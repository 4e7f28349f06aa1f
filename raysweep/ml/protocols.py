"""The interfaces of data, networks, trainers and evaluations, built-in or custom.

A config names them by import path: `data.target`, `model.target`, `train.target`,
`evaluate.target`. Their other parameters are the section's keys. Shapes: N examples, B per batch;
`…` is whatever the data and the network agree on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Goal = Literal["minimize", "maximize"]


@dataclass(frozen=True, eq=False)
class Split:
    """Examples and their targets; equal only to itself, so that it can be a dictionary key.

    x: (N, …) of any dtype; the built-in trainer converts floating-point examples to the dtype of
    the network's weights. Built-in pictures are (N, 28, 28) uint8 as loaded, and (N, 1, 28, 28)
    float32 after preprocessing.
    y: (N,) integer labels for the built-in trainer; (N, …) of any dtype for a custom one.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Splits:
    """Three splits: one fits the weights, one selects hyperparameters, one is evaluated once."""

    training: Split
    validation: Split
    test: Split


@dataclass(frozen=True)
class BatchLoss:
    """The loss of one batch: nats for the built-in trainer (NaN once it has diverged).

    epoch: from 0. examples: training examples seen so far, this batch included.
    """

    epoch: int
    examples: int
    loss: float


@dataclass(frozen=True)
class EpochMetrics:
    """The end of an epoch: `values` has a number (NaN after divergence) for each of the trainer's
    `metrics`. NumPy and torch scalars are accepted, here and in a BatchLoss."""

    epoch: int
    examples: int
    values: Mapping[str, float]

    def as_metrics(self) -> dict[str, float]:
        """Return the values and `epoch`; the step is `examples`."""
        return {"epoch": self.epoch, **self.values}


@dataclass(frozen=True, eq=False)
class Picture:
    """pixels: (H, W) or (H, W, 3) uint8."""

    pixels: npt.NDArray[np.uint8]
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of numbers and text, each as long as `columns`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Evaluation:
    """A model's results on the test split: scores, pictures and tables, by name."""

    scores: Mapping[str, float]
    pictures: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)


class LoadData(Protocol):
    """`data.target`: load the whole data set as tensors; no split may be empty.

    It is called once per sweep (or per swept setting). Equal tensors give the same version.
    """

    def __call__(self, **params: Any) -> Splits: ...


class MakeNetwork(Protocol):
    """`model.target`: make the untrained network, (B, …) -> (B, …).

    It may draw from torch's random state, which `model.seed` seeds. Each trial makes it again with
    the same seed and loads its weights, so other random values in it are the same, too.
    """

    def __call__(self, **params: Any) -> nn.Module: ...


class Trainer(Protocol):
    """`train.target`: trains `model`, in place, an epoch at a time.

    Called with `model`, `training`, `validation`, `seed`, `device` and the section's keys, of which
    `epochs` must be one, all by name. Every random number must come from `seed` and the epoch.
    """

    metrics: ClassVar[Mapping[str, Goal]]
    """Metric that an epoch reports → its goal. `sweep.metric` is one of them."""

    model: nn.Module

    @property
    def done(self) -> bool:
        """Whether the training is finished: the trial is then completed, after any epoch."""
        ...

    def epoch(self) -> Iterator[BatchLoss | EpochMetrics]:
        """Train one epoch: yield any number of BatchLoss, then one EpochMetrics."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all state that is needed to continue after an epoch; torch.load(weights_only=True)
        must be able to read it."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a trainer with the same arguments."""
        ...


@runtime_checkable
class Adopting(Protocol):
    """A trainer that can be part of a population (`sweep.pbt`)."""

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a trainer with other settings, but keep these."""
        ...


class Evaluate(Protocol):
    """`evaluate.target`: score a trained model, on `device`, on the test split."""

    def __call__(
        self, *, model: nn.Module, test: Split, device: torch.device, **params: Any
    ) -> Evaluation: ...
