"""Takes its parameters from the command line."""

import argparse

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
args = parser.parse_args()
assert args.lr == 0.5
wandb.init(config=args)
wandb.log({"loss": args.lr})
wandb.finish()
