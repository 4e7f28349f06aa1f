"""A regression on a table: no pictures, no classes, no accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes
from torch import nn

from raysweep.ml.protocols import Evaluation, Goal, Split, Splits, Table
from raysweep.ml.training import Trainer

MEAN, DEVIATION = 152.13, 77.09
"""Of the target, the disease's progression after a year: 25 to 346, no unit."""


def diabetes(train_share: float = 0.6, seed: int = 0) -> Splits:
    """The 442 patients that scikit-learn carries: x (N, 10) float32, standardized; y (N,) float32.

    What does not train validates and tests, half each.
    """
    x, y = load_diabetes(return_X_y=True)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    inputs = torch.tensor(x, dtype=torch.float32)[order] * len(y) ** 0.5
    progression = torch.tensor(y, dtype=torch.float32)[order]
    first = round(len(y) * train_share)
    second = first + (len(y) - first) // 2
    parts = (slice(0, first), slice(first, second), slice(second, None))
    return Splits(*(Split(inputs[part], progression[part]) for part in parts))


def regressor(width: int = 16, depth: int = 1) -> nn.Module:
    """(B, 10) -> (B, 1), in standard deviations from the mean."""
    layers: list[nn.Module] = []
    inputs = 10
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.Tanh()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 1))


class RegressionTrainer(Trainer):
    """The built-in training with another loss and another score."""

    metrics: ClassVar[Mapping[str, Goal]] = {
        "train/loss": "minimize",
        "validation/rmse": "minimize",
    }

    def loss(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean squared error, in squared standard deviations. output: (B, 1); y: (B,)."""
        return F.mse_loss(output.squeeze(1), (y - MEAN) / DEVIATION)

    def scores(self, output: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        return {"validation/rmse": rmse(output, y)}


def rmse(output: torch.Tensor, y: torch.Tensor) -> float:
    """Root of the mean squared error, in the target's own measure. output: (N, 1); y: (N,)."""
    return float(F.mse_loss(predicted(output), y).sqrt())


def predicted(output: torch.Tensor) -> torch.Tensor:
    """(N, 1) -> (N,), in the target's own measure."""
    return output.squeeze(1) * DEVIATION + MEAN


def evaluate(model: nn.Module, test: Split, device: torch.device, rows: int = 10) -> Evaluation:
    """RMSE, the share of the variance that is explained, and the `rows` largest errors."""
    model.to(device).eval()
    with torch.inference_mode():
        output = model(test.x.to(device)).cpu()
    guesses = predicted(output)
    errors = (guesses - test.y).abs()
    worst = errors.argsort(descending=True)[:rows]
    explained = 1 - float((errors**2).mean() / test.y.var(unbiased=False))
    return Evaluation(
        scores={"rmse": rmse(output, test.y), "r2": explained},
        tables={
            "largest-errors": Table(
                ["patient", "progression", "predicted"],
                [[int(i), float(test.y[i]), float(guesses[i])] for i in worst],
            )
        },
    )
