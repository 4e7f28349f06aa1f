"""LightGBM's W&B callback, which saves the model as an artifact."""

import lightgbm
import numpy as np
import wandb
from wandb.integration.lightgbm import log_summary, wandb_callback

run = wandb.init()
xs = np.random.default_rng(0).normal(size=(200, 3))
data = lightgbm.Dataset(xs, xs.sum(1))
settings = {"learning_rate": run.config.lr, "metric": "l2", "verbose": -1, "num_threads": 1}
model = lightgbm.train(
    settings,
    data,
    num_boost_round=5,
    valid_sets=[data],
    valid_names=["own"],
    callbacks=[wandb_callback()],
)
log_summary(model, save_model_checkpoint=True)
run.log({"loss": float(np.square(model.predict(xs) - xs.sum(1)).mean())})
