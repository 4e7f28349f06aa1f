"""MNIST for all contenders, as files, made once before anything is timed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raysweep.ml import files, idx


@dataclass(frozen=True)
class Sizes:
    """How many pictures each split has."""

    training: int
    validation: int
    test: int


WHOLE = Sizes(50_000, 10_000, 10_000)


@dataclass(frozen=True)
class Prepared:
    """The same pictures twice: at `root` as torchvision keeps them, and in `folder` as the tutorial
    does: `training.pt`, `validation.pt` and `test.pt`, each `(x, y)`, (N, 1, 28, 28) float32 in
    [0, 1] and (N,) int64."""

    root: Path
    folder: Path
    sizes: Sizes

    def model(self, seed: int) -> Path:
        """The file of an untrained network's weights, drawn from that seed."""
        import torch

        from benchmarks.peers.tutorial import MODEL_CONFIG, ConvNet

        path = self.folder / f"initialized_model-{seed}.pth"
        if not path.exists():
            torch.manual_seed(seed)
            torch.save(ConvNet(**MODEL_CONFIG).state_dict(), path)
        return path


def prepare(mnist: Path, folder: Path, sizes: Sizes = WHOLE) -> Prepared:
    """The first pictures of MNIST's splits, from its files below `mnist`."""
    root = folder / "data"
    _write_root(mnist, root, sizes)
    _write_splits(root, folder, sizes)
    return Prepared(root, folder, sizes)


def has_mnist(root: Path) -> bool:
    """Whether its files are there. Raises DataError where one is damaged."""
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
