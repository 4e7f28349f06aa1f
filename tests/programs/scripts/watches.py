"""Has wandb watch a network's gradients and parameters."""

import torch
import wandb

run = wandb.init()
net = torch.nn.Linear(2, 1)
run.watch(net, log="all", log_freq=1)
for _ in range(2):
    loss = net(torch.ones(4, 2)).square().mean()
    loss.backward()
    run.log({"loss": loss})
