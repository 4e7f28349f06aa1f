"""The tutorial's network: two convolutions and a linear layer."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml.shapes import INPUT_SHAPE, linear_inputs

POOLED_FIRST = frozenset({"ReLU", "ReLU6", "Hardtanh"})
"""The activations that commute with max-pool in floating point, in the backward pass too.

Any non-decreasing function commutes with the maximum. These also have slope 1 wherever they are
not flat, so two different numbers never round to the same one, which would send the gradient
elsewhere; Sigmoid and Tanh guarantee neither in floats.
"""


class ConvNet(nn.Module):
    """(B, 1, 28, 28), or (B, 28, 28) as loaded, of any dtype -> (B, num_classes) logits.

    Each list's first number belongs to the first layer, its last to the second. `activation` names
    a class of torch.nn. `layer1.0`, `layer2.0` and `fc` hold the weights, as in the tutorial.
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int],
        kernel_sizes: Sequence[int],
        activation: str,
        pool_sizes: Sequence[int],
        dropout: float,
        num_classes: int,
        input_shape: Sequence[int] = INPUT_SHAPE,
    ) -> None:
        """Raises ConfigError for sizes that leave no pixels, an unknown activation, a dropout
        outside 0 <= p < 1."""
        super().__init__()
        if not 0 <= dropout < 1:
            raise ConfigError(f"model.dropout: {dropout}; it must be at least 0 and below 1")
        channels, side = input_shape[0], input_shape[1]
        features = linear_inputs(side, hidden_layer_sizes, kernel_sizes, pool_sizes)
        first, last = hidden_layer_sizes[0], hidden_layer_sizes[-1]
        self.layer1 = _layer(channels, first, kernel_sizes[0], activation, pool_sizes[0])
        self.layer2 = _layer(first, last, kernel_sizes[-1], activation, pool_sizes[-1])
        self.dropout = dropout
        self.fc = nn.Linear(features, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits. In training, torch's random state decides what dropout drops."""
        x = as_input(x)  # (B, 28, 28) -> (B, 1, 28, 28)
        x = self.layer1(x)  # (B, 1, 28, 28) -> (B, 32, 13, 13) with the tutorial's sizes
        x = self.layer2(x)  # -> (B, 64, 5, 5)
        x = x.flatten(1)  # -> (B, 1600)
        logits: torch.Tensor
        if not (self.training and self.dropout > 0):
            logits = self.fc(x)
            return logits
        kept, scale = _kept(x, self.dropout)
        if x.dtype == torch.float32:
            logits = self.fc(x * kept.mul_(scale))
            return logits
        # bf16 would round the scale and make all values 0.2 % too large with a dropout of 0.25. So
        # the weights are scaled: they are float32 and fewer (mask and product take a third less).
        return F.linear(x * kept, self.fc.weight * scale, self.fc.bias)


def _layer(channels_in: int, channels_out: int, kernel: int, name: str, pool: int) -> nn.Sequential:
    """Make convolution, activation, max-pool; pool first if that gives the same result faster.

    With 2x2 pools the activation then sees a quarter of the pixels: 15 ms a step became 12.7
    (128 pictures, bf16, one core).
    """
    activation = _activation(name)
    pooling = MaxPool(pool)
    rest = (pooling, activation) if name in POOLED_FIRST else (activation, pooling)
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, kernel), *rest)


class MaxPool(nn.MaxPool2d):
    """nn.MaxPool2d(side) with the same results, faster without gradients.

    On a CPU without gradients the index of the maximum is not needed, so rows and then columns are
    compared: scoring 10,000 pictures takes three quarters of the time (bf16; 9/10 in fp32; one
    core). With gradients PyTorch's own is as fast.
    """

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self._side = side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H // side, W // side). H and W are at least `side`."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            pooled: torch.Tensor = super().forward(x)
            return pooled
        side = self._side
        height, width = (size // side * side for size in x.shape[2:])
        rows = (x[:, :, first:height:side, :width] for first in range(side))
        highest = functools.reduce(torch.maximum, rows)
        columns = (highest[..., first::side] for first in range(side))
        return functools.reduce(torch.maximum, columns)


def _activation(name: str) -> nn.Module:
    kind = getattr(nn, name, None)
    if name != "RReLU" and isinstance(kind, type) and issubclass(kind, nn.Module):
        return kind()
    # RReLU draws its slopes from the global random state: trials would not be reproducible.
    raise ConfigError(
        f"model.activation: {name!r} is not an activation of torch.nn that can be used here; "
        "use one such as 'ReLU'"
    )


def as_input(x: torch.Tensor) -> torch.Tensor:
    """Convert pictures, however preprocessed, to what convolutions take: (B, 1, 28, 28) float32."""
    if x.dim() == 3:
        x = x.unsqueeze(1)
    return x.float()


def _kept(x: torch.Tensor, dropout: float) -> tuple[torch.Tensor, float]:
    """Draw a dropout mask in x's shape and dtype, and return the factor that preserves the mean.

    The mask is 0 with probability `dropout` (rounded to 1/65,536), else 1. Each value takes 16
    random bits, drawn for four at once. On a CPU a mask takes 0.2 ms for (128, 1600), of a step of
    12; from torch.rand it takes 0.8, and torch's own dropout 2.2.
    """
    values = 2**16
    dropped = min(round(dropout * values), values - 1)
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    draws.random_(torch.iinfo(torch.int64).min, None)  # without a range, none is negative
    draw = draws.view(torch.int16)[: x.numel()].view(x.shape)
    kept = torch.ge(draw, dropped - values // 2, out=torch.empty_like(x))
    return kept, values / (values - dropped)
