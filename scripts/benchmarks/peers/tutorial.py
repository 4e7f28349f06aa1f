"""P1: W&B's tutorial on tracking models and data sets, as published, in one process.

Network, loops, order and settings are the tutorial's, with two changes: `device` is defined once,
and logged metrics are yielded. The page: https://docs.wandb.ai/tutorials/artifacts
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from math import floor
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers import print_figures, settings

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
MODEL_CONFIG: dict[str, Any] = {
    "hidden_layer_sizes": [32, 64],
    "kernel_sizes": [3],
    "activation": "ReLU",
    "pool_sizes": [2],
    "dropout": 0.5,
    "num_classes": 10,
}


class ConvNet(nn.Module):
    """The tutorial's network, (B, 1, 28, 28) float -> (B, 10) logits."""

    def __init__(
        self,
        hidden_layer_sizes: list[int],
        kernel_sizes: list[int],
        activation: str,
        pool_sizes: list[int],
        dropout: float,
        num_classes: int,
        input_shape: tuple[int, int, int] = (1, 28, 28),
    ) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(
            nn.Conv2d(input_shape[0], hidden_layer_sizes[0], kernel_size=kernel_sizes[0]),
            getattr(nn, activation)(),
            nn.MaxPool2d(kernel_size=pool_sizes[0]),
        )
        self.layer2 = nn.Sequential(
            nn.Conv2d(hidden_layer_sizes[0], hidden_layer_sizes[-1], kernel_size=kernel_sizes[-1]),
            getattr(nn, activation)(),
            nn.MaxPool2d(kernel_size=pool_sizes[-1]),
        )
        self.layer3 = nn.Sequential(nn.Flatten(), nn.Dropout(dropout))
        side = floor((input_shape[1] - kernel_sizes[0] + 1) / pool_sizes[0])
        side = floor((side - kernel_sizes[-1] + 1) / pool_sizes[-1])
        self.fc = nn.Linear(side * side * hidden_layer_sizes[-1], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.layer3(self.layer2(self.layer1(x))))  # type: ignore[no-any-return]


def read(folder: str, split: str) -> TensorDataset:
    """Read a split in the tutorial's format, `(x, y)`."""
    return TensorDataset(*torch.load(os.path.join(folder, split + ".pt")))  # noqa: PTH118


def new_model(path: str | Path) -> ConvNet:
    """Make the network with the weights of the file."""
    model = ConvNet(**MODEL_CONFIG)
    model.load_state_dict(torch.load(path))
    return model.to(device)


def train_epochs(
    model: nn.Module, folder: str, *, lr: float, batch_size: int, epochs: int
) -> Iterator[dict[str, float]]:
    """Run the tutorial's `train` with Adam; yield after each epoch what it logs."""
    train_loader = DataLoader(read(folder, "training"), batch_size=batch_size)
    valid_loader = DataLoader(read(folder, "validation"), batch_size=batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(epochs):
        model.train()
        for data, target in train_loader:
            data, target = data.to(device), target.to(device)
            optimizer.zero_grad()
            output = model(data)
            loss = F.cross_entropy(output, target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        loss_of_all, accuracy = test(model, valid_loader)
        yield {"epoch": epoch, "validation/loss": loss_of_all, "validation/accuracy": accuracy}


def test(model: nn.Module, test_loader: DataLoader[Any]) -> tuple[float, float]:
    """Return the mean loss, and the accuracy in percent."""
    model.eval()
    test_loss: Any = 0
    correct: Any = 0
    with torch.no_grad():
        for data, target in test_loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            test_loss += F.cross_entropy(output, target, reduction="sum")
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum()
    size = len(test_loader.dataset)  # type: ignore[arg-type]
    return float(test_loss / size), float(100.0 * correct / size)


def evaluate(
    model: nn.Module, testing_set: TensorDataset, test_loader: DataLoader[Any]
) -> tuple[float, float, torch.Tensor]:
    """Return loss, accuracy, and the indices of the 32 hardest images."""
    loss, accuracy = test(model, test_loader)
    return loss, accuracy, get_hardest_k_examples(model, testing_set)


def get_hardest_k_examples(
    model: nn.Module, testing_set: TensorDataset, k: int = 32
) -> torch.Tensor:
    """Return the indices of the images with the highest loss, computed one image at a time."""
    model.eval()
    loader = DataLoader(testing_set, 1, shuffle=False)
    losses = None
    predictions = None
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss = F.cross_entropy(output, target)
            pred = output.argmax(dim=1, keepdim=True)
            if losses is None or predictions is None:
                losses = loss.view((1, 1))
                predictions = pred
            else:
                losses = torch.cat((losses, loss.view((1, 1))), 0)
                predictions = torch.cat((predictions, pred), 0)
    assert losses is not None
    return torch.argsort(losses, dim=0)[-k:].flatten()


def main() -> None:
    """Run all trials, one after the other."""
    asked = settings()
    accuracies = []
    began = time.time()
    for lr in asked["learning_rates"]:
        model = new_model(asked["model"])
        steps = {name: asked[name] for name in ("batch_size", "epochs")}
        for metrics in train_epochs(model, asked["folder"], lr=lr, **steps):
            last = metrics
        accuracies.append(last["validation/accuracy"])
    print_figures(trained_s=time.time() - began, accuracies=accuracies)


if __name__ == "__main__":
    main()
