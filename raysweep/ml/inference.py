"""Run a model over a whole split, without gradients."""

from __future__ import annotations

import torch
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml.compute import as_weights, exact_products, place_split
from raysweep.ml.protocols import Split

_CPU_BATCH = 100
"""Examples whose activations stay in a CPU's cache. In batches of 250, pictures take 1.1 times as
long in bf16 and 1.2 times in fp32; in batches of 25, 1.4 and 1.05 times (one core)."""
_GPU_BATCH = 250
"""Larger batches need fewer launches; smaller ones leave memory to the trials. Not measured."""


def outputs(
    model: nn.Module,
    split: Split,
    device: torch.device,
    dtype: torch.dtype,
    batch_size: int | None = None,
) -> torch.Tensor:
    """Compute the model's outputs, (N, …) float32 on `device`: for example the classes' logits.

    `model` must be on `device`; it is left in eval mode. `batch_size`: None chooses one for the
    device.
    """
    model.eval()
    x = place_split(split, device).x
    if batch_size is None:
        batch_size = _CPU_BATCH if device.type == "cpu" else _GPU_BATCH
    autocast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    with torch.inference_mode(), exact_products(device), autocast:
        parts = [forward(model, part).float() for part in torch.split(x, batch_size)]
    return torch.cat(parts)


def forward(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply the model to examples, (B, …). Raises ConfigError unless it returns one tensor."""
    output = model(as_weights(x, model))
    if not isinstance(output, torch.Tensor):
        raise ConfigError(
            f"model: forward() of {type(model).__name__} gave {shown(output)}; expected a tensor"
        )
    return output


def shown(value: object) -> str:
    """Describe a value in words: `a tuple`, `None`."""
    return "None" if value is None else f"a {type(value).__name__}"
