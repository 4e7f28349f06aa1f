"""Measure start-up times."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.peers.raysweep_sweep import run_sweep
from benchmarks.report import Line
from benchmarks.turns import Figures, in_turn, median, run_process

BARE = "import ray; ray.init(include_dashboard=False); import torch"
"""The start-up that every sweep with Ray and PyTorch pays."""


def measure(bench: Bench) -> list[Line]:
    """Time `--help` and `plan`, and the time to the first training step."""
    help_s = median([run_process(_command("--help"))["wall_s"] for _ in range(bench.rounds)])
    plan_s = median([_plan(bench) for _ in range(bench.rounds)])
    cached = bench.storage()
    _to_first_step(bench, cached)
    contenders = {
        "bare": lambda i: run_process([sys.executable, "-c", BARE]),
        "run": lambda i: _to_first_step(bench, bench.storage()),
        "run, stages cached": lambda i: _to_first_step(bench, cached),
    }
    rounds = in_turn(contenders, bench.rounds, bench.log)
    lines = [
        Line.at_most("start: `--help`", help_s, 0.5, unit="s"),
        Line.at_most("start: `plan`", plan_s, 1.5, unit="s"),
    ]
    for name in ("run", "run, stages cached"):
        over = [each[name]["first_step_s"] - each["bare"]["wall_s"] for each in rounds]
        figures = {
            "first step s": median([each[name]["first_step_s"] for each in rounds]),
            "bare s": median([each["bare"]["wall_s"] for each in rounds]),
        }
        lines.append(
            Line.at_most(
                f"first training step after `{name.partition(',')[0]}`"
                f"{name.partition('run')[2]}: over bare ray.init and import torch",
                median(over),
                2,
                unit="s",
                pairs=over,
                figures=figures,
            )
        )
    return lines


def _plan(bench: Bench) -> float:
    data = f"data.root={bench.whole_mnist.root}"
    with tempfile.TemporaryDirectory() as folder:
        done = run_process(_command("plan", "--set", data), cwd=Path(folder))
    return float(done["wall_s"])


def _to_first_step(bench: Bench, storage: Path) -> Figures:
    """Run a sweep of one short trial per CPU: its start-up is that of the default sweep."""
    config: dict[str, Any] = {
        "data": {"dataset": "MNIST", "root": str(bench.whole_mnist.root), "train_size": 59_000},
        "train": {"epochs": 1, "batch_size": 2_000},
        "model": {"hidden_layer_sizes": [2, 2]},
        "resources": {"cpus": 1, "gpus": 0, "max_concurrent": bench.cpus},
        "sweep": {
            "method": "grid",
            "metric": {"name": "validation/accuracy", "goal": "maximize"},
            "parameters": {
                "learning_rate": {"values": [0.001 * (i + 1) for i in range(bench.cpus)]}
            },
        },
    }
    figures = run_sweep(config, storage)
    return {**figures, "first_step_s": figures["first_step"] - figures["began"]}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "raysweep", *arguments]
