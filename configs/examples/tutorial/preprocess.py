"""Step 2: scale the pictures to [0, 1] and give them a channel."""

import torch
import wandb
from pipeline import DATASET, NAME, SPLITS, read

STEPS = {"normalize": True, "expand_dims": True}

with wandb.init(job_type="preprocess-data") as run:
    raw = run.use_artifact(f"{NAME}-raw:latest").download()
    processed = wandb.Artifact(
        f"{NAME}-preprocess",
        type="dataset",
        description=f"Preprocessed {DATASET}",
        metadata=STEPS,
    )
    for split in SPLITS:
        x, y = read(raw, split)
        if STEPS["normalize"]:
            x = x.float() / 255
        if STEPS["expand_dims"]:
            x = x.unsqueeze(1)  # (N, 28, 28) -> (N, 1, 28, 28)
        with processed.new_file(f"{split}.pt", mode="wb") as file:
            torch.save((x, y), file)
    run.log_artifact(processed)
