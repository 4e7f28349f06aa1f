"""The IDX format of MNIST's files, plain or gzipped.

A header of big-endian 32-bit numbers (0x0800 + number of dimensions, then each dimension), then the
bytes. The header implies the file's size, so a truncated file is detected without reading it.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from raysweep.errors import DataError

_REMEDY = "delete it, and replace it with a complete one or let it be downloaded"
_UNSIGNED_BYTE = 0x0800  # the type code, which the magic number adds to the number of dimensions


def check(path: Path, dimensions: int) -> tuple[int, ...]:
    """Read the shape from the header of `path`, and check that the file's size matches it.

    A gzipped file is unpacked to learn its size (0.3 s for MNIST's largest).
    Raises DataError if the file is truncated, too long, unreadable, or not an IDX file.
    """
    with _opened(path) as file:
        shape, promised = _header(path, file, dimensions)
        found = _unpacked_size(file) if path.suffix == ".gz" else os.fstat(file.fileno()).st_size
    if found != promised:
        raise DataError(
            f"{path}: {found} bytes, but its header promises {promised}: truncated or damaged; "
            f"{_REMEDY}"
        )
    return shape


def read(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read `path` as an array of its header's shape. Raises DataError as `check` does."""
    shape = check(path, dimensions)
    with _opened(path) as file:
        _header(path, file, dimensions)
        content = bytearray(file.read())  # a bytearray makes a writable array
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open `path`, unpacked if its name ends in .gz; failures inside become a DataError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); {_REMEDY}") from error


def _header(path: Path, file: BinaryIO, dimensions: int) -> tuple[tuple[int, ...], int]:
    """Read the shape, and compute the size in bytes of the whole file."""
    length = 4 * (1 + dimensions)
    start = file.read(length)
    magic = struct.pack(">I", _UNSIGNED_BYTE + dimensions)
    if len(start) < length or not start.startswith(magic):
        raise DataError(
            f"{path}: starts with {start[:4].hex() or 'nothing'}, but an IDX file of {dimensions} "
            f"dimensions starts with {magic.hex()}; {_REMEDY}"
        )
    shape = struct.unpack(f">{dimensions}I", start[4:])
    return shape, length + math.prod(shape)


def _unpacked_size(file: BinaryIO) -> int:
    while file.read(1 << 20):
        pass
    return file.tell()
