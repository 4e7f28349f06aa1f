"""A network of one's own: a multilayer perceptron for pictures of digits."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

ACTIVATIONS = {"ReLU": nn.ReLU, "Tanh": nn.Tanh, "GELU": nn.GELU}


class MLP(nn.Module):
    """(B, 1, 28, 28) float -> (B, 10) logits, through `depth` hidden layers of `width`."""

    def __init__(
        self,
        width: int = 32,
        depth: int = 1,
        dropout: float = 0.0,
        activation: Literal["ReLU", "Tanh", "GELU"] = "ReLU",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = 28 * 28
        for _ in range(depth):
            layers += [nn.Linear(inputs, width), ACTIVATIONS[activation](), nn.Dropout(dropout)]
            inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(x)
        return logits
