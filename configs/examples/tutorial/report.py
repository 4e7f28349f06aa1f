"""Step 5: score the best model on the test split, and show the pictures that are hardest for it."""

from pathlib import Path

import torch
import wandb
from pipeline import NAME, ConvNet, read, test

HARDEST = 32

with wandb.init(job_type="report") as run:
    data = run.use_artifact(f"{NAME}-preprocess:latest").download()
    best = run.use_artifact("trained-model:best")
    model = ConvNet(**best.metadata)
    model.load_state_dict(torch.load(Path(best.download()) / "trained_model.pth"))

    x, y = read(data, "test")
    losses, logits = test(model, x, y)
    predictions = logits.argmax(1)
    accuracy = 100 * (predictions == y).float().mean()
    run.summary.update({"loss": losses.mean().item(), "accuracy": accuracy.item()})

    table = wandb.Table(columns=["picture", "loss", "prediction", "label"])
    pictures = []
    for i in losses.argsort(descending=True)[:HARDEST].tolist():
        seen, label = int(predictions[i]), int(y[i])
        picture = wandb.Image(x[i], caption=f"{seen}, is {label}")
        table.add_data(picture, losses[i].item(), seen, label)
        pictures.append(picture)
    run.log({"high-loss-examples": pictures, "hardest": table})
