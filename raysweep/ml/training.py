"""Train one model, an epoch at a time, bit-identically wherever it runs."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Lt
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml.compute import (
    as_labels,
    default_device,
    exact_products,
    number_format,
    place_model,
    place_split,
    use_threads,
)
from raysweep.ml.inference import forward, outputs, shown
from raysweep.ml.optimizers import make_optimizer, make_schedule
from raysweep.ml.protocols import BatchLoss, EpochMetrics, Goal, Split
from raysweep.ml.randomness import RandomState
from raysweep.ml.seeds import derive_seed

__all__ = ["BatchLoss", "EpochMetrics", "Trainer", "use_threads"]


class Trainer:
    """Trains `model` (in place, on its device) on `training`, and validates after each epoch.

    Derive from it for another task: change `metrics`, `loss` and `scores`. The parameters of the
    class are the keys of the config's `train`.

    While it computes, the trainer uses its own torch random state, seeded from `seed` and the
    epoch; it restores the previous state whenever it yields. So neither earlier work in this
    process nor how often losses are yielded changes a weight.
    """

    metrics: ClassVar[Mapping[str, Goal]] = {
        "train/loss": "minimize",
        "validation/loss": "minimize",
        "validation/accuracy": "maximize",
    }
    """Losses are mean cross-entropy in nats, the accuracy is percent."""

    def __init__(
        self,
        model: nn.Module,
        training: Split,
        validation: Split,
        *,
        seed: int,
        device: torch.device | None = None,
        optimizer: str = "AdamW",
        learning_rate: Annotated[float, Gt(0)] = 0.01,
        weight_decay: Annotated[float, Ge(0)] = 0.01,
        momentum: Annotated[float, Ge(0), Lt(1)] = 0.9,
        batch_size: Annotated[int, Ge(1)] = 128,
        epochs: Annotated[int, Ge(1)] = 3,
        shuffle: bool = True,
        schedule: Literal["none", "one-cycle", "cosine"] = "one-cycle",
        label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
        batch_log_interval: Annotated[int, Ge(1)] = 25,
    ) -> None:
        """`device`: CUDA if available. CPU threads: see `use_threads`. The settings are those of
        the config's `train`, which documents them; for a derived trainer the config checks them by
        its signature.

        Raises ConfigError for an unknown optimizer, schedule or precision.
        """
        self._device = device or default_device()
        self._dtype = number_format(precision, self._device)
        if self._device.type == "cuda":
            torch.backends.cudnn.deterministic = True
        self.model = place_model(model, self._device)
        self._training = place_split(training, self._device)
        self._validation = place_split(validation, self._device)
        self._seed = seed
        self._batch_size, self._epochs, self._shuffle = batch_size, epochs, shuffle
        self._batch_log_interval = batch_log_interval
        self.label_smoothing = label_smoothing
        self._optimizer = make_optimizer(
            optimizer,
            self.model.parameters(),
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            momentum=momentum,
        )
        steps = epochs * self._batches_per_epoch
        self._schedule = make_schedule(schedule, self._optimizer, learning_rate, steps)
        self.epochs_done = 0

    def loss(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Compute the scalar that a step minimizes. output: (B, …) float32 of the model; y: (B, …).

        By default cross-entropy: logits (B, C), labels (B,) int64.
        """
        return F.cross_entropy(output, as_labels(y), label_smoothing=self.label_smoothing)

    def scores(self, output: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        """Compute the metrics of the validation split, all but `train/loss`.

        output: (N, …) float32; y: (N, …). By default cross-entropy without label smoothing, and
        accuracy.
        """
        correct = (output.argmax(dim=1) == y).sum()
        return {
            "validation/loss": float(F.cross_entropy(output, as_labels(y))),
            "validation/accuracy": 100 * float(correct) / len(y),
        }

    @property
    def done(self) -> bool:
        """Whether all `epochs` are trained."""
        return self.epochs_done >= self._epochs

    def epoch(self) -> Iterator[BatchLoss | EpochMetrics]:
        """Train one epoch: yield a BatchLoss after the first batch and every `batch_log_interval`
        batches from there, then the EpochMetrics. Exhaust it: a partial epoch cannot be resumed.
        """
        assert not self.done, "no epoch is left to train"
        epoch, interval = self.epochs_done, self._batch_log_interval
        random = RandomState(self._device, self._derive("dropout"))
        batches = torch.split(self._order(), self._batch_size)
        losses = torch.empty(len(batches), device=self._device)
        self.model.train()
        for i, batch in enumerate(batches):
            with random, exact_products(self._device):
                losses[i] = self._train(batch)
            if i % interval == 0:  # the only place that waits for the device
                yield BatchLoss(epoch, self._examples(i + 1), _finite(float(losses[i])))
        self.epochs_done += 1
        with random, exact_products(self._device):
            values = {"train/loss": float(losses.mean()), **self._validate()}
        finite = {name: _finite(value) for name, value in values.items()}
        yield EpochMetrics(epoch, self.epochs_done * len(self._training), finite)

    def state_dict(self) -> dict[str, Any]:
        """Copy all state that is needed to continue bit-identically after an epoch."""
        return copy.deepcopy(
            {
                "epochs_done": self.epochs_done,
                "model": self.model.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict() if self._schedule else None,
            }
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a Trainer with the same arguments."""
        state = copy.deepcopy(dict(state))  # the optimizer would write into the caller's tensors
        self.epochs_done = state["epochs_done"]
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._schedule:
            self._schedule.load_state_dict(state["schedule"])

    def adopt(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict` of a Trainer with other settings, but keep these: take its
        weights and optimizer state, not its learning rate, schedule, decay and so on.

        The schedule continues from where it would be after as many epochs.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the schedule steps without the optimizer
            for _ in range(state["epochs_done"] * self._batches_per_epoch if self._schedule else 0):
                assert self._schedule is not None
                self._schedule.step()
        settings_now = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self._optimizer.param_groups
        ]
        own = {**state, "schedule": self._schedule.state_dict() if self._schedule else None}
        self.load_state_dict(own)
        for group, settings in zip(self._optimizer.param_groups, settings_now, strict=True):
            group.update(settings)

    @property
    def _batches_per_epoch(self) -> int:
        return math.ceil(len(self._training) / self._batch_size)

    def _order(self) -> torch.Tensor:
        """Draw the epoch's order of the examples, (N,) int64; the same on every device."""
        size = len(self._training)
        if not self._shuffle:
            return torch.arange(size, device=self._device)
        generator = torch.Generator().manual_seed(self._derive("order"))
        return torch.randperm(size, generator=generator).to(self._device)

    def _derive(self, purpose: str) -> int:
        return derive_seed(self._seed, purpose, self.epochs_done)

    def _train(self, batch: torch.Tensor) -> torch.Tensor:
        """Take one step on the examples at `batch`, (B,) int64; return the loss, a scalar on the
        device."""
        x, y = self._training.x[batch], self._training.y[batch]
        # One context per step: autocast caches its bf16 copies of the weights until it exits.
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            output = forward(self.model, x)
        loss = self.loss(output.float(), y)
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            some = isinstance(loss, torch.Tensor)
            given = f"a tensor of shape {tuple(loss.shape)}" if some else shown(loss)
            raise ConfigError(f"train: loss() gave {given}; expected a tensor of one number")
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self._schedule:
            self._schedule.step()
        return loss.detach()

    def _validate(self) -> Mapping[str, float]:
        output = outputs(self.model, self._validation, self._device, self._dtype)
        scores = self.scores(output, self._validation.y)
        if not isinstance(scores, Mapping):
            raise ConfigError(f"train: scores() gave {shown(scores)}; expected a mapping")
        return scores

    def _examples(self, batches: int) -> int:
        seen = min(batches * self._batch_size, len(self._training))
        return self.epochs_done * len(self._training) + seen


def _finite(value: float) -> float:
    """Map infinity to NaN: a diverged loss may overflow before it turns to NaN. Other types stay;
    the caller checks what a trainer yields."""
    try:
        return value if math.isfinite(value) else math.nan
    except (TypeError, ValueError, RuntimeError):
        return value
