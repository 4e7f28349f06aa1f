"""Logs media, text and numbers to the same steps, and files."""

import pathlib

import numpy as np
import wandb

run = wandb.init()
picture = wandb.Image(np.zeros((4, 4), np.uint8), caption="black")
for step in range(2):
    run.log({"picture": picture, "word": "some", "html": wandb.Html("<b>x</b>")}, step=step)
    run.log({"histogram": wandb.Histogram([1, 2, 3]), "loss": 1 - step / 2}, step=step)
run.log({"table": wandb.Table(columns=["a"], data=[[1]]), "loss": 0.25}, step=2)
pathlib.Path("notes.txt").write_text("kept")
run.save("notes.txt")
run.log_code(".")
