"""The tutorial's network and loops, the reference that raysweep's must equal.

Written as plainly as can be: activation before pooling, batches in order, batch size 1 for the
hardest examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class Network(nn.Module):
    """Dropout is left out: it is random, and off in evaluation."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int],
        kernel_sizes: Sequence[int],
        activation: str,
        pool_sizes: Sequence[int],
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        channels, side = 1, 28
        for number, at in ((1, 0), (2, -1)):
            layer = nn.Sequential(
                nn.Conv2d(channels, hidden_layer_sizes[at], kernel_sizes[at]),
                getattr(nn, activation)(),
                nn.MaxPool2d(pool_sizes[at]),
            )
            setattr(self, f"layer{number}", layer)
            channels = hidden_layer_sizes[at]
            side = (side - kernel_sizes[at] + 1) // pool_sizes[at]
        self.fc = nn.Linear(side * side * channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(torch.flatten(self.layer2(self.layer1(x)), 1))
        return logits


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    batch_size: int,
) -> list[float]:
    """Train one unshuffled epoch; return the losses of its batches."""
    model.train()
    losses = []
    for start in range(0, len(x), batch_size):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[start : start + batch_size]), y[start : start + batch_size])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def score(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return the mean loss, and the accuracy in percent."""
    model.eval()
    loss, correct = 0.0, 0
    for start in range(0, len(x), 128):
        output = model(x[start : start + 128])
        loss += F.cross_entropy(output, y[start : start + 128], reduction="sum").item()
        correct += int((output.argmax(1) == y[start : start + 128]).sum())
    return loss / len(x), 100.0 * correct / len(x)


@torch.no_grad()
def hardest(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return losses, indices and predictions of the k hardest, by rising loss; one at a time."""
    model.eval()
    outputs = torch.cat([model(x[i : i + 1]) for i in range(len(x))])
    losses = torch.stack([F.cross_entropy(outputs[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    order = losses.argsort()[-k:]
    return losses[order], order, outputs.argmax(1)[order]
