"""Is called by python -m, and imports from its package's folder."""

import sys

import wandb

import pkg

assert pkg.__file__ and sys.argv[1:] == ["--lr", "0.5"], sys.argv
wandb.init().log({"loss": 0.5})
