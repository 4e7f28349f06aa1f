"""Logs media of every kind, plots, code and files."""

import pathlib

import numpy as np
import wandb

run = wandb.init(project="both", id="shown", job_type="show")
black = np.zeros((8, 8), np.uint8)
boxes = [{"position": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}, "class_id": 0}]
picture = wandb.Image(
    black,
    caption="black",
    boxes={"found": {"box_data": boxes, "class_labels": {0: "zero"}}},
    masks={"mask": {"mask_data": black, "class_labels": {0: "zero"}}},
)
table = wandb.Table(columns=["a", "b", "c"], data=[[1, "x", None], [2.5, "y", True]])
run.log({"one": picture, "many": [wandb.Image(black), wandb.Image(black + 1)], "table": table})
run.log({"histogram": wandb.Histogram([1, 2, 2]), "html": wandb.Html("<b>x</b>"), "loss": 1.0})
pictures = wandb.Table(columns=["picture", "of"])
pictures.add_data(wandb.Image(black + 2), 2)
run.log({"section/pictures": pictures})
run.log({"cloud": wandb.Object3D(np.zeros((4, 3))), "deep": {"picture": wandb.Image(black + 3)}})
pathlib.Path("a.gif").write_bytes(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
pathlib.Path("a.wav").write_bytes(b"RIFF$\x00\x00\x00WAVE")
run.log({"video": wandb.Video("a.gif", format="gif"), "audio": wandb.Audio("a.wav")})
xs = wandb.Table(columns=["x", "y"], data=[[1, 2], [2, 4]])
run.log({"line": wandb.plot.line(xs, "x", "y", title="a line")})
run.log({"bar": wandb.plot.bar(xs, "x", "y"), "scatter": wandb.plot.scatter(xs, "x", "y")})
matrix = wandb.plot.confusion_matrix(y_true=[0, 1], preds=[0, 0], class_names=["a", "b"])
run.log({"matrix": matrix})
run.log({"roc": wandb.plot.roc_curve([0, 1], [[0.9, 0.1], [0.2, 0.8]])})
run.summary["picture"] = wandb.Image(black + 4)
pathlib.Path("folder").mkdir()
pathlib.Path("folder/saved.txt").write_text("kept")
pathlib.Path("changes.txt").write_text("first")
run.save("folder/*.txt")
run.save("changes.txt", policy="end")
pathlib.Path("changes.txt").write_text("last")
pathlib.Path("code").mkdir(exist_ok=True)
pathlib.Path("code/train.py").write_text("print(1)\n")
run.log_code("code", name="code")
run.finish()
