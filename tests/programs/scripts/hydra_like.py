"""Takes key=value from the command line, as Hydra does."""

import sys

import wandb

settings = dict(word.split("=", 1) for word in sys.argv[1:])
wandb.init(config=settings).log({"loss": float(settings["lr"])})
