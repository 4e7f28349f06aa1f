"""Measure the cost of `early_terminate.order: sweep`: trials wait for each other at brackets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.data import Prepared
from benchmarks.measures.bench import FEW, Bench
from benchmarks.measures.sweep import TRAIN
from benchmarks.peers.raysweep_sweep import run_sweep
from benchmarks.report import Line
from benchmarks.turns import in_turn, median, medians, ratios
from raysweep.storage.journal import read_journal

LEARNING_RATES = (1e-3, 3e-4, 4e-3, 5e-4, 2e-3, 7e-4, 6e-3, 1.4e-3, 2e-4, 2.8e-3, 1e-2, 1e-4)
EPOCHS = 9
RULE = {"type": "hyperband", "min_iter": 1, "eta": 3}


def measure(bench: Bench) -> list[Line]:
    """Run the same trials in either order, as many at once as there are CPUs."""
    pictures, storage = bench.pictures(FEW), bench.storage()
    contenders = {
        order: lambda i, order=order: _swept(bench, pictures, storage, order, seed=i)
        for order in ("sweep", "arrival")
    }
    _swept(bench, pictures, storage, "arrival", seed=0, trials=1)  # runs the stages once
    rounds = in_turn(contenders, bench.rounds, bench.log)
    walls, trained = medians(rounds), medians(rounds, "epochs")
    slower = ratios(rounds, "sweep", "arrival")
    what = f"{len(LEARNING_RATES)} trials of up to {EPOCHS} epochs, order: sweep"
    return [
        Line(
            f"{what}: time, relative to order: arrival",
            median(slower),
            pairs=slower,
            figures={f"{name} s": value for name, value in walls.items()},
        ),
        Line(
            f"{what}: epochs trained, relative to order: arrival",
            median(more := ratios(rounds, "sweep", "arrival", "epochs")),
            pairs=more,
            figures={f"{name} epochs": value for name, value in trained.items()},
        ),
    ]


def _swept(
    bench: Bench,
    pictures: Prepared,
    storage: Path,
    order: str,
    seed: int,
    trials: int = len(LEARNING_RATES),
) -> dict[str, Any]:
    """Run the sweep; return its times, and the number of epochs trained in all."""
    data = {"dataset": "MNIST", "root": str(pictures.root), "train_size": pictures.sizes.training}
    config = {
        "data": data,
        "train": {**TRAIN, "epochs": EPOCHS, "seed": seed},
        "resources": {"cpus": 1, "gpus": 0, "max_concurrent": bench.cpus},
        "sweep": {
            "method": "grid",
            "metric": {"name": "validation/accuracy", "goal": "maximize"},
            "parameters": {"learning_rate": {"values": list(LEARNING_RATES[:trials])}},
            "early_terminate": {**RULE, "order": order},
        },
    }
    figures = run_sweep(config, storage)
    journal = read_journal(storage / figures["sweep"] / "journal.jsonl")
    return {**figures, "epochs": sum(event["event"] == "epoch" for event in journal)}
