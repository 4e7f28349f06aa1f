"""Step 3: log the untrained network, from which every trial starts."""

import torch
import wandb
from pipeline import ConvNet

with wandb.init(job_type="initialize", config={"hidden": [16, 32], "dropout": 0.5}) as run:
    torch.manual_seed(0)
    model = ConvNet(**run.config)
    convnet = wandb.Artifact(
        "convnet",
        type="model",
        description="Simple AlexNet style CNN",
        metadata=dict(run.config),
    )
    with convnet.new_file("initialized_model.pth", mode="wb") as file:
        torch.save(model.state_dict(), file)
    run.log_artifact(convnet)
