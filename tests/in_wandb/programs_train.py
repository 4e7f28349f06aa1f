"""A user's script: all that a program's client may say, in three steps."""

import os
import pathlib
import time

import numpy as np
import wandb

run = wandb.init(
    config={"epochs": 3, "net": {"width": 8}},
    tags=["early"],
    notes="a note",
    group="a-group",
    job_type="a-job",
)
print("printed by the script", os.environ["WANDB_API_KEY"][:0], flush=True)
number = run.config.get("number", 0)  # so that trials differ in nothing but their models
run.define_metric("accuracy", summary="max")
run.define_metric("epoch", hidden=True)
run.define_metric("validation/*", step_metric="epoch")

data = wandb.Artifact("numbers", type="dataset", metadata={"rows": 3})
with data.new_file("numbers.txt") as file:
    file.write("1 2 3")
data.add_reference("https://example.org/more.bin", name="more.bin", checksum=False)
run.log_artifact(data, aliases=["small"]).wait()
used = run.use_artifact("numbers:small")
if os.environ.get("THEIRS"):  # a version that only W&B has
    theirs = run.use_artifact("theirs:v0")
    assert pathlib.Path(theirs.download(), "their.txt").read_text() == "theirs"
    assert dict(theirs.metadata) == {"by": "another"}, theirs.metadata

for epoch in range(run.config.epochs):
    picture = np.full((4, 4, 3), 20 * epoch, dtype=np.uint8)
    run.log(
        {
            "loss": 1 / (epoch + 1),
            "accuracy": [0.5, 0.9, 0.7][epoch],
            "epoch": epoch,
            "word": "text",
            "none": float("nan"),
            "validation": {"loss": epoch},
            "picture": wandb.Image(picture, caption=f"at {epoch}"),
        }
    )
    time.sleep(float(os.environ.get("ROW_S", "0")))
run.log({"page": wandb.Html("<b>bold</b>"), "spread": wandb.Histogram([1, 2, 2, 3])})
run.log({"cells": wandb.Table(columns=["x", "y"], data=[[1, "a"], [2, "b"]])})
for guess in ("two", "two", "three"):  # the second is the same version as the first
    box = {"position": {"minX": 0, "maxX": 2, "minY": 0, "maxY": 2}, "class_id": 1}
    box |= {"domain": "pixel", "box_caption": "a box"}
    labels = {1: "thing"}
    found = wandb.Image(
        np.full((4, 4, 3), 77, dtype=np.uint8),
        caption=guess,
        boxes={"seen": {"box_data": [box], "class_labels": labels}},
        masks={"part": {"mask_data": np.eye(4, dtype=np.uint8), "class_labels": labels}},
    )
    row = [guess, found, wandb.Html(f"<i>{guess}</i>"), np.ones((2, 2)), None]
    run.log({"guesses": wandb.Table(columns=["guess", "found", "page", "array", "no"], data=[row])})
run.log({"plot": wandb.plot.line(wandb.Table(["x", "y"], [[0, 1], [1, 2]]), "x", "y", "a line")})

pathlib.Path("sub").mkdir(exist_ok=True)
pathlib.Path("sub/saved.txt").write_text("saved")
run.save("sub/saved.txt")
run.tags += ("late",)
run.config.update({"late": True})
run.summary["said"] = {"deep": 1}
model = wandb.Artifact("net", type="model", description="a model")
with model.new_file("model.bin", mode="wb") as file:
    file.write(b"weights" * 1000 + str(number).encode())
run.log_artifact(model, aliases=["final"])
run.finish()
