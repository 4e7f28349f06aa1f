"""Convert raw pictures to the network's input."""

from __future__ import annotations

import torch

from raysweep.ml.datasets import Split


def preprocess(split: Split, *, normalize: bool, expand_dims: bool) -> Split:
    """Apply the tutorial's two steps.

    normalize: uint8 0..255 -> float32 0..1. expand_dims: (N, 28, 28) -> (N, 1, 28, 28).
    """
    return Split(prepared(split.x, normalize=normalize, expand_dims=expand_dims), split.y)


def prepared(x: torch.Tensor, *, normalize: bool, expand_dims: bool) -> torch.Tensor:
    """Apply the same steps to pictures without labels."""
    if normalize:
        x = x.to(torch.float32) / 255
    if expand_dims:
        x = x.unsqueeze(1)
    return x
