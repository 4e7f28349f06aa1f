"""Time a real sweep: MNIST, eight learning rates, two epochs each, as many at once as CPUs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import WHOLE, Prepared, Sizes
from benchmarks.machine import has_fast_bf16
from benchmarks.measures.bench import FEW, Bench
from benchmarks.peers.raysweep_sweep import run_sweep
from benchmarks.report import Line
from benchmarks.turns import Figures, in_turn, median, medians, ratios, run_peer

LEARNING_RATES = (3e-4, 5e-4, 7e-4, 1e-3, 1.4e-3, 2e-3, 2.8e-3, 4e-3)
BATCH_SIZE = 128
EPOCHS = 2
TRAIN = {
    "optimizer": "Adam",
    "weight_decay": 0.0,
    "batch_size": BATCH_SIZE,
    "epochs": EPOCHS,
    "shuffle": False,
    "schedule": "none",
}
"""The tutorial's settings: all contenders take the same steps on the same images in one order."""


def measure(bench: Bench) -> list[Line]:
    """Compare raysweep with plain Ray Tune, and with the limit L."""
    sizes = WHOLE if bench.training == WHOLE.training else Sizes(bench.training, 1_000, 1_000)
    pictures, storage = bench.pictures(sizes), bench.storage()
    contenders = {
        "raysweep": lambda i: _raysweep(bench, pictures, storage, seed=i),
        "P2": lambda i: _peer(bench, pictures, "ray_tune", i),
        "L": lambda i: _limit(bench, pictures, i),
    }
    in_fp32 = "raysweep"
    if has_fast_bf16():
        in_fp32 = "raysweep fp32"
        contenders[in_fp32] = lambda i: _raysweep(
            bench, pictures, storage, seed=i, precision="fp32"
        )
    _reuse_stages(bench, pictures, storage)
    rounds = in_turn(contenders, bench.rounds, bench.log)
    walls = {f"{name} s": value for name, value in medians(rounds).items()}
    what = f"MNIST ({sizes.training:,} pictures), 8 trials × 2 epochs"
    lines = []
    if has_fast_bf16():
        faster = ratios(rounds, "P2", "raysweep")
        lines.append(Line.at_least(f"{what}: faster than P2", median(faster), 4, pairs=faster))
    faster = ratios(rounds, "P2", in_fp32)
    title = f"{what}: faster than P2, in fp32"
    lines.append(Line.at_least(title, median(faster), 1.5, pairs=faster, figures=walls))
    trained, whole = (ratios(rounds, "raysweep", "L", key) for key in ("trained_s", "wall_s"))
    training = {
        f"{name} s": median([each[name]["trained_s"] for each in rounds])
        for name in ("raysweep", "L")
    }
    return [
        *lines,
        Line.at_most(
            "time relative to the limit L, without start-up",
            median(trained),
            1.1,
            pairs=trained,
            figures=training,
        ),
        Line.at_most(
            "time relative to the limit L, with start-up", median(whole), 1.25, pairs=whole
        ),
        _accuracy(rounds),
    ]


def others(bench: Bench) -> list[Line]:
    """Compare with the other peers, on a tenth of the images, without targets."""
    pictures, storage = bench.pictures(FEW), bench.storage()
    contenders = {
        "raysweep": lambda i: _raysweep(bench, pictures, storage, seed=i),
        "P1": lambda i: _peer(bench, pictures, "tutorial", i),
        "P3": lambda i: _peer(bench, pictures, "ray_tune", i, reuse_actors=True),
        "P5": lambda i: _peer(bench, pictures, "optuna_workers", i),
    }
    _reuse_stages(bench, pictures, storage)
    rounds = in_turn(contenders, bench.rounds, bench.log)
    walls = medians(rounds)
    lines = []
    for peer in list(contenders)[1:]:
        faster = ratios(rounds, peer, "raysweep")
        figures = {f"{name} s": walls[name] for name in ("raysweep", peer)}
        what = f"MNIST ({FEW.training:,} pictures), 8 trials × 2 epochs: faster than {peer}"
        lines.append(Line(what, median(faster), pairs=faster, figures=figures))
    return lines


def _accuracy(rounds: Sequence[dict[str, Figures]]) -> Line:
    """Compare the best validation accuracies: raysweep's minus P2's, over the rounds' seeds."""
    gains = [max(e["raysweep"]["accuracies"]) - max(e["P2"]["accuracies"]) for e in rounds]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    means = {
        f"{name} %": statistics.mean(max(each[name]["accuracies"]) for each in rounds)
        for name in ("raysweep", "P2")
    }
    gain = statistics.mean(gains)
    return Line(
        f"best validation accuracy minus P2's, {len(gains)} seeds",
        gain,
        f"≥ −1 standard error ({error:.2g})",
        gain >= -error,
        unit="points",
        pairs=gains,
        figures=means,
    )


def _reuse_stages(bench: Bench, pictures: Prepared, storage: Path) -> None:
    """Run the stages once before the clock starts: the peers' data are prepared, too."""
    _raysweep(bench, pictures, storage, seed=0, learning_rates=LEARNING_RATES[:1], epochs=1)


def _raysweep(
    bench: Bench,
    pictures: Prepared,
    storage: Path,
    seed: int,
    precision: str = "auto",
    learning_rates: Sequence[float] = LEARNING_RATES,
    epochs: int = EPOCHS,
) -> dict[str, Any]:
    from benchmarks.peers.tutorial import MODEL_CONFIG

    data = {"dataset": "MNIST", "root": str(pictures.root), "train_size": pictures.sizes.training}
    config = {
        "data": data,
        "model": {**MODEL_CONFIG, "seed": seed},
        "train": {**TRAIN, "epochs": epochs, "precision": precision, "seed": seed},
        "resources": {"cpus": 1, "gpus": 0, "max_concurrent": bench.cpus},
        "sweep": {
            "method": "grid",
            "metric": {"name": "validation/accuracy", "goal": "maximize"},
            "parameters": {"learning_rate": {"values": list(learning_rates)}},
        },
    }
    figures = run_sweep(config, storage)
    accuracies = [figures["best"]["metrics"]["validation/accuracy"]]
    trained_s = figures["trained"] - figures["first_step"]
    return {**figures, "accuracies": accuracies, "trained_s": trained_s}


def _peer(bench: Bench, pictures: Prepared, name: str, seed: int, **more: Any) -> dict[str, Any]:
    return run_peer(
        name,
        folder=str(pictures.folder),
        model=str(pictures.model(seed)),
        learning_rates=LEARNING_RATES,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        cpus=bench.cpus,
        **more,
    )


def _limit(bench: Bench, pictures: Prepared, seed: int) -> dict[str, Any]:
    return run_peer(
        "packed",
        folder=str(pictures.folder),
        model=str(pictures.model(seed)),
        learning_rates=LEARNING_RATES,
        train={**TRAIN, "precision": "auto"},
        workers=bench.cpus,
        device="cpu",
    )
