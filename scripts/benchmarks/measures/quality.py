"""Compare test accuracy at equal time: the default sweep, and plain Ray Tune given as long."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.measures.sweep import BATCH_SIZE
from benchmarks.peers.raysweep_sweep import run_sweep
from benchmarks.report import Line
from benchmarks.turns import run_peer

SEEDS = 3
FEWEST = 99.2


def measure(bench: Bench) -> list[Line]:
    """Compare the test accuracy of the best models over several seeds. P2 searches the tutorial's
    learning rate, and keeps the model of its best epoch, as a user would."""
    pictures = bench.whole_mnist
    ours, theirs = [], []
    for seed in range(SEEDS):
        found = _default_sweep(bench, seed)
        ours.append(found["test"]["accuracy"])
        weights = bench.folder / f"quality-{seed}.pth"
        peer = run_peer(
            "ray_tune",
            folder=str(pictures.folder),
            model=str(pictures.model(seed)),
            lr_min=3e-4,
            lr_max=1e-2,
            batch_size=BATCH_SIZE,
            epochs=5,
            cpus=bench.cpus,
            seed=seed,
            deadline=time.time() + found["wall_s"],
            budget_s=found["wall_s"],
            keep=str(weights),
        )
        scored = run_peer(
            "evaluation",
            who="P1",
            folder=str(pictures.folder),
            model=str(weights),
            cpus=bench.cpus,
        )
        theirs.append(scored["accuracy"])
        bench.log(
            f"seed {seed}: raysweep {ours[-1]:.2f} % in {found['wall_s']:.0f} s, "
            f"P2 {theirs[-1]:.2f} % in {peer['wall_s']:.0f} s"
        )
    mean, their_mean = statistics.mean(ours), statistics.mean(theirs)
    figures = {"P2 %": their_mean, **{f"seed {i}": value for i, value in enumerate(ours)}}
    return [
        Line(
            f"test accuracy of the default sweep, {SEEDS} seeds",
            mean,
            f"> P2's in the same time, ≥ {FEWEST}",
            mean > their_mean and mean >= FEWEST,
            unit="%",
            pairs=ours,
            figures=figures,
        )
    ]


def _default_sweep(bench: Bench, seed: int) -> dict[str, Any]:
    """Run the default config with this data folder and seed."""
    seeds = [f"--set={section}.seed={seed}" for section in ("model", "train")]
    root = f"--set=data.root={bench.whole_mnist.root}"
    return run_sweep(None, bench.storage(), root, *seeds)
