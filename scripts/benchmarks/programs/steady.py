"""A user's program that computes for 10 ms or so and logs a row, 1,000 times."""

import json
import os
import time
from pathlib import Path

import wandb

STEPS = 1_000


def compute(size: int) -> int:
    """Compute as Python programs do, with the interpreter's lock held."""
    return sum(number * number % 7 for number in range(size))


with wandb.init() as run:
    began, cpu = time.perf_counter(), time.thread_time()
    for step in range(STEPS):
        run.log({"loss": compute(215_000) / (step + 1), "accuracy": step / STEPS, "lr": 0.1})
    noted = {"training_s": time.perf_counter() - began, "training_cpu_s": time.thread_time() - cpu}
Path(os.environ["BENCH_NOTES"], "steady.json").write_text(json.dumps(noted))
