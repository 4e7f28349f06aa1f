"""Two processes of torchrun: the first one logs."""

import os

import torch
import torch.distributed as dist
import wandb

dist.init_process_group("gloo")
total = torch.ones(1)
dist.all_reduce(total)
if int(os.environ["RANK"]) == 0:
    with wandb.init() as run:
        run.log({"loss": run.config.lr * total.item()})
dist.destroy_process_group()
