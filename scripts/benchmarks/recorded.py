"""A sweep's folder as a driver leaves it, without a trial that ran: for measures that read it."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from raysweep.config import Config
from raysweep.storage.storage import Storage, SweepRecord

EPOCHS = 20
LOG_LINES = 40
PARAMETERS = {
    "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "model.dropout": {"min": 0.0, "max": 0.6},
    "train.optimizer": {"values": ["Adam", "SGD"]},
    "train.batch_size": {"values": [16, 32, 64]},
}


def record(root: Path, trials: int) -> None:
    """Record a sweep of completed trials of EPOCHS epochs, with three metrics and a log each."""
    given: dict[str, Any] = {
        "data": {"dataset": "digits"},
        "train": {"epochs": EPOCHS},
        "sweep": {"method": "random", "run_cap": trials, "parameters": PARAMETERS},
    }
    config = Config.from_dict(given).to_dict()
    folder = Storage(root).create(
        SweepRecord.new(f"of-{trials}", "artifacts-example", None, "trackio"), config
    )
    rng, at = random.Random(0), 0.0
    logs = folder.path / "logs"
    logs.mkdir()
    with folder.journal.open("w") as journal:

        def write(event: str, **fields: Any) -> None:
            when = {"at": round(at, 3), "time": 1.8e9 + at}
            journal.write(json.dumps({"event": event, **when, **fields}) + "\n")

        write("started", config=config, versions={"python": "3.11"}, trials=trials)
        for index in range(trials):
            values: dict[str, Any] = {
                "learning_rate": 10 ** rng.uniform(-4, -1),
                "model.dropout": rng.uniform(0, 0.6),
                "train.optimizer": rng.choice(["Adam", "SGD"]),
                "train.batch_size": rng.choice([16, 32, 64]),
            }
            top = 98 - 3 * (math.log10(values["learning_rate"]) + 2.3) ** 2
            write("trial", index=index, values=values, repeat=0)
            write("begun", index=index)
            for epoch in range(EPOCHS):
                at += 0.5
                accuracy = top - 30 * math.exp(-epoch / 4) + rng.gauss(0, 0.2)
                row = {
                    "epoch": epoch,
                    "train/loss": 1.5 - accuracy / 100,
                    "validation/loss": 2 - accuracy / 60,
                    "validation/accuracy": accuracy,
                }
                told = {"metrics": row, "best": row, "values": None, "last": epoch == EPOCHS - 1}
                place = {} if epoch else {"node": "one", "pid": 11 + index % 2}
                examples = 600 * (epoch + 1)
                write("epoch", index=index, epochs=epoch + 1, examples=examples, **told, **place)
            write("ended", index=index, state="completed", error=None)
            lines = (f"epoch {i}: a line that the trial printed" for i in range(LOG_LINES))
            (logs / f"trial-{index:04d}.log").write_text("\n".join(lines) + "\n")
