"""Prepare MNIST for all contenders as files, once, before anything is timed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raysweep.ml import files, idx


@dataclass(frozen=True)
class Sizes:
    """The number of images of each split."""

    training: int
    validation: int
    test: int


WHOLE = Sizes(50_000, 10_000, 10_000)


@dataclass(frozen=True)
class Prepared:
    """The same images twice: at `root` in torchvision's format, and in `folder` in the tutorial's:
    `training.pt`, `validation.pt` and `test.pt`, each `(x, y)`, (N, 1, 28, 28) float32 in [0, 1]
    and (N,) int64."""

    root: Path
    folder: Path
    sizes: Sizes

    def model(self, seed: int) -> Path:
        """Return the file with an untrained network's weights for the seed; make it if missing."""
        import torch

        from benchmarks.peers.tutorial import MODEL_CONFIG, ConvNet

        path = self.folder / f"initialized_model-{seed}.pth"
        if not path.exists():
            torch.manual_seed(seed)
            torch.save(ConvNet(**MODEL_CONFIG).state_dict(), path)
        return path


def prepare(mnist: Path, folder: Path, sizes: Sizes = WHOLE) -> Prepared:
    """Prepare the first images of MNIST's splits from the files below `mnist`."""
    root = folder / "data"
    _write_root(mnist, root, sizes)
    _write_splits(root, folder, sizes)
    return Prepared(root, folder, sizes)


def has_mnist(root: Path) -> bool:
    """Return whether MNIST's files are there. Raises DataError if one is damaged."""
    return files.dataset_state("MNIST", root) == "present"


def _write_root(mnist: Path, root: Path, sizes: Sizes) -> None:
    target = files.raw_folder("MNIST", root)
    target.mkdir(parents=True)
    counts = {"train": sizes.training + sizes.validation, "t10k": sizes.test}
    for name, path in files.require_present("MNIST", mnist).items():
        content = idx.read(path, files.RAW_FILES[name])[: counts[name.partition("-")[0]]]
        header = struct.pack(
            f">{1 + content.ndim}I", 0x0800 + content.ndim, *content.shape
        )  # as raysweep.ml.idx reads it
        (target / name).write_bytes(header + np.ascontiguousarray(content).tobytes())


def _write_splits(root: Path, folder: Path, sizes: Sizes) -> None:
    import torch

    from raysweep.ml import datasets
    from raysweep.ml.preprocess import preprocess

    splits = datasets.load("MNIST", root, sizes.training)
    for name in ("training", "validation", "test"):
        ready = preprocess(getattr(splits, name), normalize=True, expand_dims=True)
        torch.save((ready.x.clone(), ready.y.clone()), folder / f"{name}.pt")
