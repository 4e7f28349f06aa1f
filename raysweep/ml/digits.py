"""scikit-learn's embedded digits in MNIST's format: 28×28 pictures of bytes."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import numpy.typing as npt

TEST_SIZE = 297
POOL_SIZE = 1500
"""How many of the 1797 are for training and validation."""
MAX_TRAIN_SIZE = 1200

_SMALL, _LARGE = 8, 28
_UNIT = 14  # 8/28 = 4/14: every bilinear weight is an integer number of fourteenths


def load() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Load pictures (1797, 28, 28) and labels (1797,), shuffled in a fixed order.

    scikit-learn sorts them by writer, and the last `TEST_SIZE` become the test split, so they are
    shuffled first. NumPy's policy (NEP 19) freezes the stream of `RandomState`.
    """
    pictures, labels = _embedded()
    order = np.random.RandomState(0).permutation(len(labels))
    small = pictures.reshape(-1, _SMALL, _SMALL)[order].astype(np.int64)
    return scale_up(small), labels[order].astype(np.int64)


def _embedded() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Load what scikit-learn's `load_digits` returns, (1797, 64) of 0..16 and (1797,).

    Reads the file itself if it is found: importing scikit-learn takes as long as torch.
    """
    for file in metadata.files("scikit-learn") or ():
        if file.match("sklearn/datasets/data/digits.csv.gz"):
            table = np.loadtxt(str(file.locate()), delimiter=",")
            return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    return pictures, labels


def scale_up(small: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Scale (N, 8, 8) of 0..16 to (N, 28, 28) of 0..255, bilinear, rounded half up.

    Integer arithmetic gives the same bytes on every machine; floats would not guarantee that.
    """
    weights = _bilinear_weights()
    scaled = weights @ small @ weights.T  # 0 .. full
    full = 16 * _UNIT**2
    return ((2 * 255 * scaled + full) // (2 * full)).astype(np.uint8)


def _bilinear_weights() -> npt.NDArray[np.int64]:
    """Compute the weights of the small pixels along a side, (28, 8), in fourteenths.

    Pixel centres are mapped onto each other: the large pixel i lies at (i + 1/2) * 8/28 - 1/2
    = (4i - 5) / 14 small pixels, clamped to the picture at the borders.
    """
    weights = np.zeros((_LARGE, _SMALL), dtype=np.int64)
    for i in range(_LARGE):
        place = min(max(4 * i - 5, 0), _UNIT * (_SMALL - 1))
        left, part = divmod(place, _UNIT)
        weights[i, left] += _UNIT - part
        if part:
            weights[i, left + 1] += part
    return weights
