"""Small real data: the embedded digits, and MNIST's files in miniature."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ml_trial import MODEL, SETTINGS, initialize

from raysweep.ml import datasets
from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Split, Splits
from raysweep.ml.preprocess import preprocess


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The tests' networks are too small for two threads to gain anything."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Splits:
    """The embedded digits, preprocessed: 256 to train, 300 to validate, 297 to test."""
    loaded = datasets.load("digits", Path("unused"), 1200)
    parts = (loaded.training, loaded.validation, loaded.test)
    training, validation, test = (
        preprocess(part, normalize=True, expand_dims=True) for part in parts
    )
    return Splits(Split(training.x[:256], training.y[:256]), validation, test)


@pytest.fixture
def make_model() -> Callable[..., ConvNet]:
    """make_model(dropout=0): the small network, with these of its arguments changed."""
    return lambda **changes: initialize(MODEL | changes, seed=1)


@pytest.fixture
def make_settings() -> Callable[..., dict[str, Any]]:
    """make_settings(epochs=1): quick settings, with these of them changed."""
    return lambda **changes: SETTINGS | changes


def write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    """`array` of bytes as an IDX file, written independently of the code that reads it."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    """A root with a whole MNIST in miniature: 60 pictures to train and validate, 20 to test."""
    root = tmp_path / "a root's data"
    random = np.random.default_rng(0)
    for part, size in (("train", 60), ("t10k", 20)):
        folder = root / "MNIST" / "raw"
        write_idx(folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (size, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", random.integers(0, 10, size))
    return root
