"""Reads its parameters from wandb.config alone, and never finishes its run."""

import wandb

wandb.init(project="own", entity="somebody", name="a name")
wandb.config.update({"lr": 9, "batch": 4}, allow_val_change=True)
wandb.run.name = "another name"
wandb.run.tags = ["tagged"]
for step in range(3):
    wandb.log({"loss": wandb.config["lr"] / (step + 1)})
