"""Training one model, an epoch at a time, the same bit for bit wherever it runs."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from raysweep.ml.compute import (
    as_input,
    default_device,
    number_format,
    place_model,
    place_split,
    use_threads,
)
from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Split
from raysweep.ml.inference import BATCH_SIZE, logits
from raysweep.ml.optimizers import make_optimizer, make_schedule
from raysweep.ml.seeds import derive_seed

__all__ = ["BatchLoss", "EpochMetrics", "TrainSettings", "Trainer", "use_threads"]


@dataclass(frozen=True)
class TrainSettings:
    """How to train. The defaults, and what each field means, are the config schema's."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    momentum: float
    batch_size: int
    epochs: int
    shuffle: bool
    schedule: str
    label_smoothing: float
    precision: str
    batch_log_interval: int


@dataclass(frozen=True)
class BatchLoss:
    """The loss of one batch, in nats (NaN once it has diverged).

    epoch: from 0. examples: training examples seen so far, this batch included.
    """

    epoch: int
    examples: int
    loss: float


@dataclass(frozen=True)
class EpochMetrics:
    """The end of an epoch. Losses: nats, NaN once diverged; accuracy: percent.

    train_loss: mean of the epoch's batch losses, as they were when each batch was trained on.
    """

    epoch: int
    examples: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float

    def as_metrics(self) -> dict[str, float]:
        """The tutorial's keys; the step is `examples`."""
        return {
            "epoch": self.epoch,
            "train/loss": self.train_loss,
            "validation/loss": self.validation_loss,
            "validation/accuracy": self.validation_accuracy,
        }


class Trainer:
    """Trains `model` (in place, on its device) on `training`, and validates after each epoch.

    Every random number comes from `seed` and the epoch: neither the global random state, nor what
    ran before in this process, nor how often losses are yielded changes a weight.
    """

    def __init__(
        self,
        model: ConvNet,
        training: Split,
        validation: Split,
        settings: TrainSettings,
        *,
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        """`device`: CUDA where there is one. CPU threads: see `use_threads`.

        Raises ConfigError for an optimizer, schedule or precision that does not exist.
        """
        self._device = device or default_device()
        self._dtype = number_format(settings.precision, self._device)
        if self._device.type == "cuda":
            torch.backends.cudnn.deterministic = True
        self.model = place_model(model, self._device)
        self._training = place_split(training, self._device)
        self._validation = place_split(validation, self._device)
        self._settings = settings
        self._seed = seed
        self._optimizer = make_optimizer(
            settings.optimizer,
            self.model.parameters(),
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
        )
        steps = settings.epochs * self._batches_per_epoch
        self._schedule = make_schedule(
            settings.schedule, self._optimizer, settings.learning_rate, steps
        )
        self.epochs_done = 0

    @property
    def done(self) -> bool:
        """Whether all of the settings' epochs are trained."""
        return self.epochs_done >= self._settings.epochs

    def epoch(self) -> Iterator[BatchLoss | EpochMetrics]:
        """Train one epoch: a BatchLoss after the first batch and every `batch_log_interval`th from
        there, and at last the EpochMetrics. Exhaust it: an epoch left half way cannot be resumed.
        """
        assert not self.done, "no epoch is left to train"
        epoch, interval = self.epochs_done, self._settings.batch_log_interval
        dropout = torch.Generator(self._device).manual_seed(self._derive("dropout"))
        batches = torch.split(self._order(), self._settings.batch_size)
        losses = torch.empty(len(batches), device=self._device)
        self.model.train()
        for i, batch in enumerate(batches):
            losses[i] = self._train(batch, dropout)
            if i % interval == 0:  # the only place that waits for the device
                yield BatchLoss(epoch, self._examples(i + 1), _finite(losses[i]))
        self.epochs_done += 1
        loss, accuracy = self._validate()
        yield EpochMetrics(
            epoch, self.epochs_done * len(self._training), _finite(losses.mean()), loss, accuracy
        )

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything that continues this training bit for bit, between two epochs."""
        return copy.deepcopy(
            {
                "epochs_done": self.epochs_done,
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict() if self._schedule else None,
            }
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a Trainer of the same arguments."""
        state = copy.deepcopy(dict(state))  # the optimizer would go on to write into its tensors
        self.epochs_done = state["epochs_done"]
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._schedule:
            self._schedule.load_state_dict(state["schedule"])

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a Trainer of other settings, with one's own: its
        weights and its optimizer's memory, one's own learning rate, schedule, decay and so on.

        The schedule goes on from where it would be after as many epochs.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the schedule moves, the optimizer not
            for _ in range(state["epochs_done"] * self._batches_per_epoch if self._schedule else 0):
                assert self._schedule is not None
                self._schedule.step()
        mine = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self._optimizer.param_groups
        ]
        own = {**state, "schedule": self._schedule.state_dict() if self._schedule else None}
        self.load_state_dict(own)
        for group, settings in zip(self._optimizer.param_groups, mine, strict=True):
            group.update(settings)

    @property
    def _batches_per_epoch(self) -> int:
        return math.ceil(len(self._training) / self._settings.batch_size)

    def _order(self) -> torch.Tensor:
        """The epoch's order of the training examples, (N,) int64; the same on every device."""
        size = len(self._training)
        if not self._settings.shuffle:
            return torch.arange(size, device=self._device)
        generator = torch.Generator().manual_seed(self._derive("order"))
        return torch.randperm(size, generator=generator).to(self._device)

    def _derive(self, purpose: str) -> int:
        return derive_seed(self._seed, purpose, self.epochs_done)

    def _train(self, batch: torch.Tensor, dropout: torch.Generator) -> torch.Tensor:
        """One step on the examples at `batch`, (B,) int64; the loss, a scalar on the device."""
        x, y = as_input(self._training.x[batch]), self._training.y[batch]
        # A context for each step: autocast keeps its bf16 copies of the weights until it ends.
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            output = self.model(x, dropout)
        smoothing = self._settings.label_smoothing
        loss = F.cross_entropy(output.float(), y, label_smoothing=smoothing)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self._schedule:
            self._schedule.step()
        return loss.detach()

    def _validate(self) -> tuple[float, float]:
        """Mean cross-entropy in nats, without label smoothing, and accuracy in percent."""
        scores = logits(self.model, self._validation, self._device, self._dtype, BATCH_SIZE)
        y = self._validation.y
        correct = (scores.argmax(dim=1) == y).sum()
        return _finite(F.cross_entropy(scores, y)), 100 * float(correct) / len(y)

    def _examples(self, batches: int) -> int:
        seen = min(batches * self._settings.batch_size, len(self._training))
        return self.epochs_done * len(self._training) + seen


def _finite(loss: torch.Tensor) -> float:
    """A diverged loss may overflow to infinity before it turns to NaN: both are NaN."""
    value = float(loss)
    return value if math.isfinite(value) else math.nan
