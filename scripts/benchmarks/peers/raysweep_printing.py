"""raysweep with a trial that prints: the seconds of an epoch, from the sweep's journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import print_figures, settings
from raysweep import run_sweep
from raysweep.ml.protocols import BatchLoss, EpochMetrics
from raysweep.ml.training import Trainer

EPOCHS = 4


class Printing(Trainer):
    """The built-in trainer, which prints so many `lines` an epoch, some after each batch."""

    lines = 0

    def epoch(self) -> Iterator[BatchLoss | EpochMetrics]:
        """As the built-in one: it tells of every 25th batch."""
        told = 0
        for event in super().epoch():
            if isinstance(event, BatchLoss):
                told += 1
                for number in range(self.lines // 10 if told <= 10 else 0):
                    print("batch", told, "line", number, "loss", event.loss)
            yield event


class Printing10000(Printing):
    """With 10,000 lines."""

    lines = 10_000


def main() -> None:
    """One trial of four epochs. The first one also warms up."""
    asked = settings()
    trainer = Printing10000 if asked["lines"] else Printing
    config = {
        "data": {
            "dataset": "MNIST",
            "root": asked["root"],
            "train_size": asked["training"],
            "fallback": None,
        },
        "train": {
            "target": f"benchmarks.peers.raysweep_printing:{trainer.__name__}",
            "epochs": EPOCHS,
        },
        "resources": {"cpus": 1, "gpus": 0},
        "sweep": {"method": "grid", "parameters": {"learning_rate": {"values": [0.01]}}},
    }
    result = run_sweep(config, storage=asked["storage"])
    lines = (Path(result.folder) / "journal.jsonl").read_text().splitlines()
    ends = [event["at"] for event in map(json.loads, lines) if event["event"] == "epoch"]
    log = (Path(result.folder) / "logs" / "trial-0000.log").read_text()
    assert log.count("\n") == asked["lines"] * EPOCHS
    print_figures(epoch_s=(ends[-1] - ends[0]) / (len(ends) - 1))


if __name__ == "__main__":
    main()
