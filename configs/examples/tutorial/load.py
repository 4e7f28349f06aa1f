"""Step 1: log the raw data, split into training, validation and test."""

import os
from pathlib import Path

import torch
import wandb
from pipeline import DATASET, NAME, SPLITS

from raysweep.ml import datasets

with wandb.init(job_type="load-data") as run:
    root = Path(os.environ.get("RAYSWEEP_DATA", "data"))
    loaded = datasets.load(DATASET, root, train_size=50_000)
    splits = (loaded.training, loaded.validation, loaded.test)

    raw = wandb.Artifact(
        f"{NAME}-raw",
        type="dataset",
        description=f"Raw {DATASET}, split into train/val/test",
        metadata={"source": datasets.source(DATASET), "sizes": [len(s.y) for s in splits]},
    )
    for name, split in zip(SPLITS, splits, strict=True):
        with raw.new_file(f"{name}.pt", mode="wb") as file:
            torch.save((split.x.clone(), split.y.clone()), file)  # without what is not theirs
    run.log_artifact(raw)
