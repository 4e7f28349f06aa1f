"""Logs a data set and uses it by an alias, logs a model, and looks for the sweep's id."""

import os
import pathlib

import wandb

assert os.environ["WANDB_SWEEP_ID"]
run = wandb.init(job_type="mine", group="mine too")
data = wandb.Artifact("data", type="dataset", metadata={"rows": 3})
data.add_reference("https://example.org/more", checksum=False)
with data.new_file("rows.txt") as file:
    file.write("1 2 3")
run.log_artifact(data, aliases=["small"]).wait()
folder = run.use_artifact("data:small").download()
assert pathlib.Path(folder, "rows.txt").read_text() == "1 2 3"
pathlib.Path("model.pth").write_text("weights")
run.log_artifact("model.pth", name="net", type="model")
run.log({"loss": 1.0})
