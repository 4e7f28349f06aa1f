"""What the five steps share: the data set, its file format, the network and its test."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

DATASET = "digits"  # embedded, 1,797 pictures; or MNIST, whose files are in RAYSWEEP_DATA
NAME = DATASET.lower()
SPLITS = ("training", "validation", "test")


class ConvNet(nn.Module):
    """(B, 1, 28, 28) pictures -> (B, 10) logits."""

    def __init__(self, hidden: list[int], dropout: float) -> None:
        super().__init__()
        first, second = hidden
        self.layer1 = nn.Sequential(nn.Conv2d(1, first, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.layer2 = nn.Sequential(nn.Conv2d(first, second, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.layer3 = nn.Sequential(nn.Flatten(), nn.Dropout(dropout))
        self.fc = nn.Linear(5 * 5 * second, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.layer3(self.layer2(self.layer1(x))))


def read(folder: str, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures and labels of a split."""
    x, y = torch.load(Path(folder) / f"{split}.pt")
    return x, y


def test(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of each picture, and its logits."""
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(batch) for batch in x.split(512)])
    return F.cross_entropy(logits, y, reduction="none"), logits
