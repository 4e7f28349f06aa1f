"""How good a trained model is, and what it finds hardest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from raysweep.ml.compute import default_device, place_model
from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Split
from raysweep.ml.inference import BATCH_SIZE, logits


@dataclass(frozen=True, eq=False)
class Hardest:
    """The pictures of highest loss, the highest last; all of length min(k, N), on the CPU.

    losses: float32, nats. indices: int64, places in the split. images: as in the split.
    labels, predictions: int64.
    """

    losses: torch.Tensor
    indices: torch.Tensor
    images: torch.Tensor
    labels: torch.Tensor
    predictions: torch.Tensor


@dataclass(frozen=True, eq=False)
class Evaluation:
    """loss: mean cross-entropy, nats. accuracy: percent.

    confusion: (C, C) int64, rows true labels, columns predictions.
    """

    loss: float
    accuracy: float
    confusion: torch.Tensor
    hardest: Hardest


def evaluate(
    model: ConvNet,
    split: Split,
    *,
    k: int = 32,
    device: torch.device | None = None,
    batch_size: int = BATCH_SIZE,
) -> Evaluation:
    """Score `model` on `split` in one pass, in float32; `k` hardest pictures (fewer if N < k).

    What the tutorial gets from one pass for the loss and one of batch size 1 for the hardest.
    `model` is moved to `device` (CUDA where there is one) and left in eval mode.
    """
    device = device or default_device()
    scores = logits(place_model(model, device), split, device, torch.float32, batch_size).cpu()
    losses = F.cross_entropy(scores, split.y, reduction="none")
    predictions = scores.argmax(dim=1)
    return Evaluation(
        loss=float(losses.mean()),
        accuracy=100 * float((predictions == split.y).double().mean()),
        confusion=_confusion(split.y, predictions, classes=scores.shape[1]),
        hardest=_hardest(split, losses, predictions, k),
    )


def _confusion(labels: torch.Tensor, predictions: torch.Tensor, classes: int) -> torch.Tensor:
    cells = torch.bincount(labels * classes + predictions, minlength=classes * classes)
    return cells.view(classes, classes)


def _hardest(split: Split, losses: torch.Tensor, predictions: torch.Tensor, k: int) -> Hardest:
    order = losses.argsort(stable=True)  # stable: equal losses in the split's order, everywhere
    worst = order[max(len(order) - k, 0) :]
    return Hardest(losses[worst], worst, split.x[worst], split.y[worst], predictions[worst])
