"""A run as a context, whose config is unpacked: no key of anyone else's may be in it."""

import wandb


def train(run, lr, epochs):
    for epoch in range(epochs):
        run.log({"loss": lr, "epoch": epoch})


with wandb.init(config={"epochs": 2}) as run:
    train(run, **wandb.config)
