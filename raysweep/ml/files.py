"""Locate a data set's files, and check that they are present and complete; without torch."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Literal

from raysweep.errors import DataError
from raysweep.ml import idx

TORCHVISION = ("MNIST", "FashionMNIST", "KMNIST")
"""The `torchvision.datasets` classes of 10 classes of 28×28 greyscale pictures in IDX files."""

DIGITS = "digits"
"""scikit-learn's embedded 8×8 digits: no files, always available."""

DATASETS = (*TORCHVISION, DIGITS)

RAW_FILES = {
    "train-images-idx3-ubyte": 3,
    "train-labels-idx1-ubyte": 1,
    "t10k-images-idx3-ubyte": 3,
    "t10k-labels-idx1-ubyte": 1,
}
"""The files of a torchvision data set in `raw_folder` → their numbers of dimensions."""


def require_known(dataset: str) -> None:
    """Raise DataError unless `dataset` is one of `DATASETS`."""
    if dataset not in DATASETS:
        raise DataError(
            f"data.dataset: unknown data set {dataset!r}; known: {', '.join(DATASETS)} "
            "(10 classes of 28x28 greyscale pictures are supported)"
        )


def raw_folder(dataset: str, root: Path) -> Path:
    """Return the folder below `root` in which torchvision keeps the files."""
    return root / dataset / "raw"


def find(dataset: str, root: Path) -> dict[str, Path]:
    """Find which of `RAW_FILES` exist, plain or, if the plain one is missing, gzipped."""
    folder = raw_folder(dataset, root)
    found = {}
    for name in RAW_FILES:
        candidates = (folder / name, folder / f"{name}.gz")
        path = next((path for path in candidates if path.is_file()), None)
        if path is not None:
            found[name] = path
    return found


def dataset_state(dataset: str, root: Path) -> Literal["present", "absent"]:
    """Return `present` if `load` can read the data set from below `root`, else `absent`.

    Reads headers and sizes, not the content (a gzipped file is unpacked once). `absent` if any file
    is missing; but a damaged file is an error, even if others are missing.

    Raises DataError for an unknown data set, or naming the file that is truncated or unreadable,
    with its size and the size that its header promises.
    """
    require_known(dataset)
    if dataset == DIGITS:
        return "present"
    found = find(dataset, root)
    shapes = {name: idx.check(path, RAW_FILES[name]) for name, path in found.items()}
    _check_shapes(found, shapes)
    return "present" if len(found) == len(RAW_FILES) else "absent"


def training_size(dataset: str, root: Path) -> int:
    """Count the pictures to train and validate. Raises DataError if a file is missing.

    For the embedded digits it is all 1,797, including the test split.
    """
    if dataset == DIGITS:
        return 1797
    name = "train-images-idx3-ubyte"
    return idx.check(require_present(dataset, root)[name], RAW_FILES[name])[0]


def digests(dataset: str, root: Path) -> dict[str, str]:
    """Compute the SHA-256, in hex, of each file's content: it identifies the data in any location.

    A gzipped file has the digest of its unpacked content. The embedded digits have no file and are
    the same in every scikit-learn; a fixed name replaces their digest.
    Raises DataError if a file is missing.
    """
    require_known(dataset)
    if dataset == DIGITS:
        return {DIGITS: "sklearn.datasets.load_digits: 1797 of 8x8"}
    found = require_present(dataset, root)
    return {name: sha256(path) for name, path in found.items()}


def require_present(dataset: str, root: Path) -> dict[str, Path]:
    """Find all four files. Raises DataError naming the missing ones and where to put them."""
    found = find(dataset, root)
    missing = [name for name in RAW_FILES if name not in found]
    if missing:
        raise DataError(
            f"{raw_folder(dataset, root)}: {', '.join(missing)} missing; put the files there "
            "(plain or .gz), or set data.root to the folder that holds "
            f"{dataset}/raw"
        )
    return found


def _check_shapes(found: dict[str, Path], shapes: dict[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if len(shape) == 3 and shape[1:] != (28, 28):
            raise DataError(f"{found[name]}: pictures of {shape[1]}x{shape[2]}, 28x28 are needed")
    for part in ("train", "t10k"):
        images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        if {images, labels} <= shapes.keys() and shapes[images][0] != shapes[labels][0]:
            raise DataError(
                f"{found[labels]}: {shapes[labels][0]} labels for the {shapes[images][0]} pictures "
                f"of {found[images].name}; both must come from one data set"
            )


def sha256(path: Path) -> str:
    """Compute the SHA-256, in hex, of a file's content, unpacked if it is gzipped."""
    digest = hashlib.sha256()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
