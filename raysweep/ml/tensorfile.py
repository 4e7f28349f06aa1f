"""Store tensors in a file whose bytes depend only on their values."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from raysweep.errors import DataError


def canonical(tensor: torch.Tensor) -> torch.Tensor:
    """Make a contiguous CPU copy with its own storage.

    torch.save writes a view's whole storage, and the strides: without the copy, a slice of 50,000
    would take as much as the 60,000 it is cut from, and channels_last weights would give other
    bytes.
    """
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def write(content: Any, path: Path) -> None:
    """Write with torch.save. Equal canonical tensors give equal bytes, whatever the file's name.

    It passes an open file: given a path, torch.save names the archive's folder after it.
    """
    with path.open("wb") as file:
        torch.save(content, file)


def read(path: Path, *, mmap: bool) -> Any:
    """Read with torch.load and `weights_only=True`: nothing in the file is executed.

    Raises DataError if the file is missing, damaged, or was not written by `write`.
    """
    try:
        return torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path}: no readable file of tensors ({reason}); give one that torch.save wrote"
        ) from error
