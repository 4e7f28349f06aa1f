"""One Ray for all sweeps of a module, and FashionMNIST's files in miniature."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from raysweep.ml.digits import scale_up

from sweeps import one_process


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Start Ray in local mode, for sweeps that need not start it themselves."""
    with one_process():
        yield


@pytest.fixture
def mini_fashion(tmp_path: Path) -> Path:
    """A root with FashionMNIST's four files: 300 pictures train and validate, 60 test.

    They show digits, which can be learned.
    """
    small, labels = load_digits(return_X_y=True)
    pictures = scale_up(small.reshape(-1, 8, 8).astype(np.int64))
    folder = tmp_path / "data" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for part, chosen in (("train", slice(0, 300)), ("t10k", slice(300, 360))):
        x, y = pictures[chosen], labels[chosen].astype(np.uint8)
        header = struct.pack(">IIII", 0x0803, *x.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + x.tobytes())
        header = struct.pack(">II", 0x0801, len(y))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + y.tobytes())
    return tmp_path / "data"
