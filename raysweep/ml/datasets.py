"""Data sets as whole tensors: loading, splitting, and the file of one split."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from raysweep.errors import DataError
from raysweep.ml import digits, files, idx, tensorfile
from raysweep.ml.download import download
from raysweep.ml.protocols import Split, Splits

__all__ = ["Split", "Splits", "download", "load", "read_split", "save_split", "source"]


def source(dataset: str) -> str:
    """Return the name of the data set in Python."""
    if dataset == files.DIGITS:
        return "sklearn.datasets.load_digits"
    return f"torchvision.datasets.{dataset}"


def load(dataset: str, root: Path, train_size: int) -> Splits:
    """Load and split: the first `train_size` train, the rest of the training set validates.

    `root` is torchvision's; missing files are downloaded into it. `digits` has fewer pictures than
    the usual `train_size`: at most 1200 train, the rest of 1500 validate, 297 test.

    Raises DataError for an unknown data set, a damaged file, a download that fails, or a
    `train_size` that leaves nothing to train on or nothing to validate.
    """
    if train_size < 1:
        raise DataError(f"data.train_size: {train_size}; at least 1 picture must train")
    if dataset == files.DIGITS:
        return _load_digits(train_size)
    if files.dataset_state(dataset, root) == "absent":
        download(dataset, root)
    found = files.require_present(dataset, root)
    training, test = _read(found, "train"), _read(found, "t10k")
    if train_size >= len(training):
        raise DataError(
            f"data.train_size: {train_size}, but {dataset} has {len(training)} pictures to train "
            f"and validate; at most {len(training) - 1} leave one to validate"
        )
    return Splits(_slice(training, 0, train_size), _slice(training, train_size, None), test)


def save_split(split: Split, path: Path) -> None:
    """Write `(x, y)` in the tutorial's format. Equal tensors give equal bytes."""
    tensorfile.write((tensorfile.canonical(split.x), tensorfile.canonical(split.y)), path)


def read_split(path: Path) -> Split:
    """Map the file into memory: processes that read it share the page cache, without a copy.

    While the file is unchanged, the same `Split` is returned: do not write to its tensors.
    Raises DataError if the file holds no split.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return _map_split(path.resolve(), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)  # training, validation and test of one data set, and one to spare
def _map_split(path: Path, mtime_ns: int, size: int) -> Split:
    content = tensorfile.read(path, mmap=True)
    if not (
        isinstance(content, (tuple, list))
        and len(content) == 2
        and all(isinstance(part, torch.Tensor) for part in content)
        and len(content[0]) == len(content[1])
    ):
        raise DataError(f"{path}: holds no split, which is (x, y) of equal length")
    return Split(*content)


def _load_digits(train_size: int) -> Splits:
    x, y = digits.load()
    everything = Split(torch.from_numpy(x), torch.from_numpy(y))
    train_size = min(train_size, digits.MAX_TRAIN_SIZE)
    return Splits(
        _slice(everything, 0, train_size),
        _slice(everything, train_size, digits.POOL_SIZE),
        _slice(everything, digits.POOL_SIZE, None),
    )


def _read(found: dict[str, Path], part: str) -> Split:
    x = idx.read(found[f"{part}-images-idx3-ubyte"], 3)
    y = idx.read(found[f"{part}-labels-idx1-ubyte"], 1)
    return Split(torch.from_numpy(x), torch.from_numpy(y).long())


def _slice(split: Split, start: int, stop: int | None) -> Split:
    return Split(split.x[start:stop], split.y[start:stop])
