"""A model's weights in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from raysweep.errors import DataError
from raysweep.ml import tensorfile


def save_weights(state_dict: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a state dict: floating-point tensors as contiguous fp32 on the CPU, others (counters,
    double precision) as they are.

    Equal weights give equal bytes, whichever device and memory format they come from.
    """
    tensorfile.write(
        {name: tensorfile.canonical(_widened(tensor)) for name, tensor in state_dict.items()}, path
    )


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read what `save_weights` wrote, on the CPU. Raises DataError for any other file."""
    content = tensorfile.read(path, mmap=False)
    if not isinstance(content, dict) or not all(
        isinstance(tensor, torch.Tensor) for tensor in content.values()
    ):
        raise DataError(f"{path}: holds no weights (a dict of tensors); give a model's .pth file")
    return content


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    half = tensor.is_floating_point() and tensor.element_size() < 4
    return tensor.float() if half else tensor
