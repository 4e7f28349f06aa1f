"""Evaluate a trained model, and find the pictures with the highest loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from raysweep.ml.compute import as_labels, default_device, place_model
from raysweep.ml.inference import outputs
from raysweep.ml.protocols import Evaluation, Picture, Split, Table


@dataclass(frozen=True, eq=False)
class Hardest:
    """The pictures with the highest loss, the highest last; all of length min(k, N), on the CPU.

    losses: float32, nats. indices: int64, positions in the split. images: as in the split.
    labels, predictions: int64.
    """

    losses: torch.Tensor
    indices: torch.Tensor
    images: torch.Tensor
    labels: torch.Tensor
    predictions: torch.Tensor


@dataclass(frozen=True, eq=False)
class Classified:
    """loss: mean cross-entropy, nats. accuracy: percent.

    confusion: (C, C) int64, rows true labels, columns predictions.
    """

    loss: float
    accuracy: float
    confusion: torch.Tensor
    hardest: Hardest


def evaluate(
    model: nn.Module, test: Split, device: torch.device, *, hardest: int = 32
) -> Evaluation:
    """Compute loss (nats), accuracy (percent), the `hardest` pictures and the confusion matrix.

    This is the built-in evaluation. x: (N, 1, H, W) or (N, H, W), uint8, or float in [0, 1].
    """
    found = classify(model, test, k=hardest, device=device)
    return Evaluation(
        scores={"loss": found.loss, "accuracy": found.accuracy},
        pictures={"high-loss-examples": _pictures(found.hardest)},
        tables={"confusion-matrix": _table(found.confusion)},
    )


def classify(
    model: nn.Module,
    split: Split,
    *,
    k: int = 32,
    device: torch.device | None = None,
    batch_size: int | None = None,
) -> Classified:
    """Score `model` on `split` in one pass, in float32; `k` hardest pictures (fewer if N < k).

    The tutorial makes two passes: one for the loss and one of batch size 1 for the hardest.
    `model` is moved to `device` (default: CUDA if available) and left in eval mode. `batch_size`:
    None chooses one for the device.
    """
    device = device or default_device()
    scores = outputs(place_model(model, device), split, device, torch.float32, batch_size).cpu()
    labels = as_labels(split.y)
    losses = F.cross_entropy(scores, labels, reduction="none")
    predictions = scores.argmax(dim=1)
    return Classified(
        loss=float(losses.mean()),
        accuracy=100 * float((predictions == labels).double().mean()),
        confusion=_confusion(labels, predictions, classes=scores.shape[1]),
        hardest=_hardest(split, losses, predictions, k),
    )


def _confusion(labels: torch.Tensor, predictions: torch.Tensor, classes: int) -> torch.Tensor:
    cells = torch.bincount(labels * classes + predictions, minlength=classes * classes)
    return cells.view(classes, classes)


def _hardest(split: Split, losses: torch.Tensor, predictions: torch.Tensor, k: int) -> Hardest:
    order = losses.argsort(stable=True)  # stable: equal losses stay in the split's order
    worst = order[max(len(order) - k, 0) :]
    return Hardest(losses[worst], worst, split.x[worst], split.y[worst], predictions[worst])


def _pictures(hardest: Hardest) -> list[Picture]:
    """Make pictures with the tutorial's caption `predicted,label`; other data gets none."""
    if hardest.images[:1].squeeze().dim() != 2:
        return []
    return [
        Picture(_pixels(image), caption=f"{int(predicted)},{int(label)}")
        for image, predicted, label in zip(
            hardest.images, hardest.predictions, hardest.labels, strict=True
        )
    ]


def _pixels(image: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Convert (1, H, W) or (H, W), uint8 or float in [0, 1], to (H, W) uint8."""
    plane = image.squeeze()
    if plane.is_floating_point():
        plane = (plane * 255).round()
    return plane.cpu().numpy().astype(np.uint8)


def _table(confusion: torch.Tensor) -> Table:
    """Make a table with one row per true label and one column per predicted label."""
    columns = ["label", *(f"predicted {c}" for c in range(confusion.shape[1]))]
    return Table(columns, [[label, *map(int, row)] for label, row in enumerate(confusion.tolist())])
