"""Convert what the user's parts return to plain values that any process and any tracker accepts."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from raysweep.errors import ConfigError
from raysweep.ml.protocols import Picture, Table

_LARGEST = int(sys.float_info.max)
_CELL = (str, int, float, type(None))


def plain_number(value: object) -> float | None:
    """Convert a number of Python, NumPy or torch to a Python number; None for anything else.

    A tensor or an array counts if it holds a single number. An integer too large for a float
    becomes infinite.
    """
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        if isinstance(value, torch.Tensor):
            value = value.detach()
        elements = value.numel() if isinstance(value, torch.Tensor) else value.size
        value = value.item() if elements == 1 else None
    if isinstance(value, int) and abs(value) > _LARGEST:
        return math.copysign(math.inf, value)
    return value if isinstance(value, (int, float)) else None


def plain_pictures(where: str, key: str, pictures: Sequence[Picture]) -> list[Picture]:
    """Convert the pictures. Raises ConfigError for one that is no Picture, or whose pixels are not
    (H, W) or (H, W, 3) uint8."""
    found = []
    for number, picture in enumerate(pictures):
        what = f"{where}: its picture {number} of {key}"
        if not isinstance(picture, Picture):
            raise ConfigError(
                f"{what} is a {type(picture).__name__}; expected raysweep.ml.protocols.Picture"
            )
        pixels = picture.pixels
        if isinstance(pixels, torch.Tensor):
            pixels = pixels.detach().cpu().numpy()
        fits = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8
        if not (fits and pixels.size and pixels.ndim in (2, 3) and pixels.shape[2:] in ((), (3,))):
            shown = f"{getattr(pixels, 'shape', type(pixels).__name__)}"
            raise ConfigError(
                f"{what} has pixels of {shown} {getattr(pixels, 'dtype', '')}; "
                "expected (H, W) or (H, W, 3) of uint8"
            )
        found.append(Picture(pixels, str(picture.caption)))
    return found


def plain_table(where: str, key: str, table: Table) -> Table:
    """Convert the table's cells. Raises ConfigError for a row that is not as long as the columns,
    or a cell that is neither a number nor text."""
    if not isinstance(table, Table):
        raise ConfigError(
            f"{where}: its table {key} is a {type(table).__name__}; "
            "expected raysweep.ml.protocols.Table"
        )
    columns = [str(each) for each in table.columns]
    rows = [[_cell(where, key, cell) for cell in row] for row in table.rows]
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ConfigError(
                f"{where}: row {number} of its table {key} has {len(row)} cells and "
                f"{len(columns)} columns; expected as many"
            )
    return Table(columns, rows)


def _cell(where: str, key: str, value: Any) -> Any:
    number = plain_number(value)
    if number is not None or isinstance(value, _CELL):
        return value if number is None else number
    if isinstance(value, (Mapping, list, tuple)):
        return value  # the tracker raises if it is not JSON
    raise ConfigError(
        f"{where}: its table {key} has a cell that is a {type(value).__name__}; "
        "expected a number or text"
    )


def unreadable(error: BaseException) -> str:
    """Extract from the long message of `torch.load(weights_only=True)` the name that it refuses."""
    found = re.search(r"GLOBAL (\S+)|(Unsupported operand \d+)", str(error))
    return next(filter(None, found.groups()), "") if found else str(error).partition("\n")[0]
