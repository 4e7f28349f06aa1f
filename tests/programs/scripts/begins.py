"""See init_at_import."""

import wandb

run = wandb.init()
