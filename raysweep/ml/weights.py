"""Store a model's weights in a file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from raysweep.errors import DataError
from raysweep.ml import tensorfile

EXTRA_STATE = "_extra_state"
"""Suffix of the state dict's keys that hold the result of a module's `get_extra_state`."""


def save_weights(state_dict: Mapping[str, Any], path: Path) -> None:
    """Write a state dict: floating-point tensors as contiguous fp32 on the CPU, others (counters,
    double precision) as they are, and the modules' extra state (`get_extra_state`).

    Equal weights give equal bytes, whatever device and memory format they come from.
    Raises DataError if an extra state holds more than tensors and plain values.
    """
    tensorfile.write({name: _canonical(value) for name, value in state_dict.items()}, path)
    if not all(isinstance(value, torch.Tensor) for value in state_dict.values()):
        tensorfile.read(path, mmap=False)


def load_weights(path: Path) -> dict[str, Any]:
    """Read what `save_weights` wrote, on the CPU. Raises DataError for any other file."""
    content = tensorfile.read(path, mmap=False)
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) or str(name).endswith(EXTRA_STATE)
        for name, value in content.items()
    ):
        raise DataError(f"{path}: holds no weights (a dict of tensors); give a model's .pth file")
    return content


def copy_to_cpu(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a state dict to the CPU, so that further training does not change it."""
    return {
        name: value.detach().cpu().clone()
        if isinstance(value, torch.Tensor)
        else copy.deepcopy(value)
        for name, value in state_dict.items()
    }


def _canonical(value: Any) -> Any:
    """Convert tensors to canonical form, also those within an extra state."""
    if isinstance(value, torch.Tensor):
        half = value.is_floating_point() and value.element_size() < 4
        return tensorfile.canonical(value.float() if half else value)
    if type(value) is dict:
        return {name: _canonical(each) for name, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_canonical(each) for each in value)
    return value
