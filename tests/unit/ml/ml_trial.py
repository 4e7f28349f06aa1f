"""A small trial, trained by the tests and, run as a program, by another process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from raysweep.ml import datasets
from raysweep.ml.convnet import ConvNet
from raysweep.ml.networks import seeded
from raysweep.ml.preprocess import preprocess
from raysweep.ml.training import Trainer, use_threads
from raysweep.ml.weights import save_weights

MODEL: dict[str, Any] = {
    "hidden_layer_sizes": [8, 16],
    "kernel_sizes": [3],
    "activation": "ReLU",
    "pool_sizes": [2],
    "dropout": 0.5,
    "num_classes": 10,
}

SETTINGS: dict[str, Any] = {
    "optimizer": "AdamW",
    "learning_rate": 1e-2,
    "weight_decay": 1e-2,
    "momentum": 0.9,
    "batch_size": 64,
    "epochs": 3,
    "shuffle": True,
    "schedule": "one-cycle",
    "label_smoothing": 0.0,
    "precision": "fp32",
    "batch_log_interval": 4,
}


def initialize(architecture: dict[str, Any], seed: int) -> ConvNet:
    """A ConvNet whose weights come from `seed` alone."""
    return seeded(lambda: ConvNet(**architecture), seed)


def train_both_precisions(folder: Path) -> None:
    """Write `fp32.pth` and `bf16.pth`: one epoch of the digits each."""
    use_threads(1)
    data = datasets.load("digits", Path("unused"), 256)
    parts = (data.training, data.validation)
    splits = [preprocess(part, normalize=True, expand_dims=True) for part in parts]
    for precision in ("fp32", "bf16"):
        settings = SETTINGS | {"precision": precision}
        model = initialize(MODEL, seed=1)
        trainer = Trainer(model, *splits, **settings, seed=7, device=torch.device("cpu"))
        list(trainer.epoch())
        save_weights(trainer.model.state_dict(), folder / f"{precision}.pth")


if __name__ == "__main__":
    train_both_precisions(Path(sys.argv[1]))
