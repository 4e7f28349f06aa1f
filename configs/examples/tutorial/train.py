"""Step 4, a trial: train the network from its initial weights, and log it."""

from pathlib import Path

import torch
import torch.nn.functional as F
import wandb
from pipeline import NAME, ConvNet, read, test

DEFAULTS = {"lr": 0.001, "batch_size": 64, "epochs": 3, "optimizer": "Adam"}

with wandb.init(job_type="train", config=DEFAULTS) as run:
    config = run.config
    data = run.use_artifact(f"{NAME}-preprocess:latest").download()
    x, y = read(data, "training")
    validation = read(data, "validation")

    convnet = run.use_artifact("convnet:latest")
    model = ConvNet(**convnet.metadata)
    weights = Path(convnet.download()) / "initialized_model.pth"
    model.load_state_dict(torch.load(weights))

    torch.manual_seed(0)
    optimizer = getattr(torch.optim, config.optimizer)(model.parameters(), lr=config.lr)
    for epoch in range(config.epochs):
        model.train()
        for batch in torch.randperm(len(y)).split(config.batch_size):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        losses, logits = test(model, *validation)
        accuracy = 100 * (logits.argmax(1) == validation[1]).float().mean()
        run.log(
            {
                "epoch": epoch,
                "train/loss": loss.item(),
                "validation/loss": losses.mean().item(),
                "validation/accuracy": accuracy.item(),
            }
        )

    trained = wandb.Artifact(
        "trained-model",
        type="model",
        description="Trained NN model",
        metadata=dict(convnet.metadata),
    )
    with trained.new_file("trained_model.pth", mode="wb") as file:
        torch.save(model.state_dict(), file)
    run.log_artifact(trained)
