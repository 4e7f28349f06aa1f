"""A user's program that trains nothing: it logs 5 rows and an artifact, and notes when it did."""

import argparse
import json
import os
import time
from pathlib import Path

began = time.time()

import wandb  # noqa: E402 - what importing it takes is the program's

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=int, default=0)
x = parser.parse_args().x
with wandb.init() as run:
    run.log({"loss": float(x)})
    first_row = time.time()
    for step in range(1, 5):
        run.log({"loss": x / (step + 1)})
    model = Path("model.bin")
    model.write_bytes(bytes([x]) * 1000)
    artifact = wandb.Artifact("model", type="model")
    artifact.add_file(str(model))
    run.log_artifact(artifact)
noted = {"began": began, "first_row": first_row, "ended": time.time()}
Path(os.environ["BENCH_NOTES"], f"{x}.json").write_text(json.dumps(noted))
