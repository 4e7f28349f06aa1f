"""What data, a network, a trainer and an evaluation have to look like, the built-in ones included.

A config names them by import path: `data.target`, `model.target`, `train.target`,
`evaluate.target`. Their other parameters are the section's keys. Shapes: N examples, B of a batch;
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
    """Examples and what they should give; equal only to itself, so that it can be a key.

    x: (N, …) of any dtype; the built-in trainer gives floating-point ones to the network in the
    format of its weights. Of the built-in pictures: (N, 28, 28) uint8 as loaded, which
    preprocessing makes float32 and (N, 1, 28, 28).
    y: (N,) labels, whole numbers, for the built-in trainer; (N, …) of any dtype for your own.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Splits:
    """What fits the weights, what chooses the hyperparameters, what is looked at once."""

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
    """The end of an epoch: `values` has a number, or NaN once diverged, for each of the trainer's
    `metrics`, by any name. Numbers of NumPy and torch will do, here and in a BatchLoss."""

    epoch: int
    examples: int
    values: Mapping[str, float]

    def as_metrics(self) -> dict[str, float]:
        """The values and `epoch`; the step is `examples`."""
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
    """How good a model is on the test split: scores, and what there is to see, by name."""

    scores: Mapping[str, float]
    pictures: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)


class LoadData(Protocol):
    """`data.target`: the whole data set as tensors, none of the splits empty.

    It is called once a sweep (or a swept setting). Equal tensors each time give one version.
    """

    def __call__(self, **params: Any) -> Splits: ...


class MakeNetwork(Protocol):
    """`model.target`: the untrained network, (B, …) -> (B, …).

    It may draw from torch's random state, which `model.seed` seeds. It is made again, and given
    its weights, in each trial: what it draws besides parameters and buffers comes out the same.
    """

    def __call__(self, **params: Any) -> nn.Module: ...


class Trainer(Protocol):
    """`train.target`: trains `model`, in place, an epoch at a time.

    Called with `model`, `training`, `validation`, `seed`, `device` and the section's keys, of which
    `epochs` must be one, all by name. Every random number must come from `seed` and the epoch.
    """

    metrics: ClassVar[Mapping[str, Goal]]
    """What an epoch reports → which way is better. `sweep.metric` is one of them."""

    model: nn.Module

    @property
    def done(self) -> bool:
        """Whether all epochs are trained: the trial has then completed, however many they were."""
        ...

    def epoch(self) -> Iterator[BatchLoss | EpochMetrics]:
        """Train one epoch: any number of BatchLoss, and at last one EpochMetrics."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that continues the training between two epochs; torch.load(weights_only=True)
        must read it."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a trainer of the same arguments."""
        ...


@runtime_checkable
class Adopting(Protocol):
    """What a trainer has besides, to be part of a population (`sweep.pbt`)."""

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a trainer of other settings, with one's own."""
        ...


class Evaluate(Protocol):
    """`evaluate.target`: score a trained model, on `device`, on the test split."""

    def __call__(
        self, *, model: nn.Module, test: Split, device: torch.device, **params: Any
    ) -> Evaluation: ...
