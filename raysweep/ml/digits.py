"""scikit-learn's embedded digits in MNIST's clothes: 28×28 pictures of bytes."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import numpy.typing as npt

TEST_SIZE = 297
POOL_SIZE = 1500
"""What is left of the 1797 for training and validation."""
MAX_TRAIN_SIZE = 1200

_SMALL, _LARGE = 8, 28
_UNIT = 14  # 8/28 = 4/14: every bilinear weight is a whole number of fourteenths


def load() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Pictures (1797, 28, 28) and labels (1797,), shuffled in a fixed order.

    scikit-learn has them sorted by writer; the last `TEST_SIZE` serve as the test split, so they
    are shuffled first. `RandomState`'s stream is frozen by NumPy's policy (NEP 19).
    """
    pictures, labels = _embedded()
    order = np.random.RandomState(0).permutation(len(labels))
    small = pictures.reshape(-1, _SMALL, _SMALL)[order].astype(np.int64)
    return scale_up(small), labels[order].astype(np.int64)


def _embedded() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """What scikit-learn's `load_digits` gives, (1797, 64) of 0..16 and (1797,).

    From the file itself where it is found: importing scikit-learn takes as long as torch.
    """
    for file in metadata.files("scikit-learn") or ():
        if file.match("sklearn/datasets/data/digits.csv.gz"):
            table = np.loadtxt(str(file.locate()), delimiter=",")
            return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    return pictures, labels


def scale_up(small: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """(N, 8, 8) of 0..16 -> (N, 28, 28) of 0..255, bilinear, rounded half up.

    In whole numbers throughout: the same bytes on every machine, which floats would not promise.
    """
    weights = _bilinear_weights()
    scaled = weights @ small @ weights.T  # 0 .. full
    full = 16 * _UNIT**2
    return ((2 * 255 * scaled + full) // (2 * full)).astype(np.uint8)


def _bilinear_weights() -> npt.NDArray[np.int64]:
    """(28, 8), in fourteenths: how much of each small pixel a large one takes along a side.

    Pixel centres are mapped onto each other: the large pixel i lies at (i + 1/2) * 8/28 - 1/2
    = (4i - 5) / 14 small pixels, held within the picture at the borders.
    """
    weights = np.zeros((_LARGE, _SMALL), dtype=np.int64)
    for i in range(_LARGE):
        place = min(max(4 * i - 5, 0), _UNIT * (_SMALL - 1))
        left, part = divmod(place, _UNIT)
        weights[i, left] += _UNIT - part
        if part:
            weights[i, left + 1] += part
    return weights
