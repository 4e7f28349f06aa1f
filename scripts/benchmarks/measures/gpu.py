"""Compare on one GPU: the tutorial's loop trial by trial, and raysweep's training, k at a time.

It uses only `raysweep.ml`, so it also runs without Ray. It measures a trial's computation, and how
well trials share the device.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import threading
import time
from functools import partial
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.measures.sweep import BATCH_SIZE, EPOCHS, LEARNING_RATES, TRAIN
from benchmarks.report import Line
from benchmarks.turns import in_turn, median, medians, ratios, run_peer

AT_ONCE = (1, 2, 4, 8, 16)
EVERY_S = 0.2


def measure(bench: Bench) -> list[Line]:
    """Compare the trials per hour, without start-up, with the tutorial's."""
    contenders = {"P1": partial(_tutorial, bench)}
    contenders |= {f"k = {at_once}": partial(_packed, bench, at_once) for at_once in AT_ONCE}
    rounds = in_turn(contenders, bench.rounds, bench.log)
    use = {name: [each[name]["device_use"] for each in rounds] for name in contenders}
    lines = []
    for name, trial_s in medians(rounds, "trial_s").items():
        faster = ratios(rounds, "P1", name, "trial_s")
        lines.append(
            Line(
                f"GPU, {name}: trials per hour, relative to the tutorial's loop",
                median(faster),
                pairs=faster,
                figures={"per hour": 3600 / trial_s, "device use %": statistics.mean(use[name])},
            )
        )
    return lines


def _tutorial(bench: Bench, round_: int) -> dict[str, Any]:
    pictures = bench.whole_mnist
    rates = LEARNING_RATES[:2]
    figures = _busy(
        "tutorial",
        folder=str(pictures.folder),
        model=str(pictures.model(0)),
        learning_rates=rates,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
    )
    return {**figures, "trial_s": figures["trained_s"] / len(rates)}


def _packed(bench: Bench, at_once: int, round_: int) -> dict[str, Any]:
    """Run two trials per process, at least four in all, so that processes stay busy to the end."""
    pictures = bench.whole_mnist
    trials = max(4, 2 * at_once)
    rates = [LEARNING_RATES[i % len(LEARNING_RATES)] for i in range(trials)]
    figures = _busy(
        "packed",
        folder=str(pictures.folder),
        model=str(pictures.model(0)),
        learning_rates=rates,
        train={**TRAIN, "precision": "auto"},
        workers=at_once,
        device="cuda",
    )
    return {**figures, "trial_s": figures["trained_s"] / trials}


def _busy(peer: str, **settings: Any) -> dict[str, Any]:
    """Run a peer; add the device's mean utilization in percent, start-up included."""
    uses: list[float] = []
    over = threading.Event()
    watch = threading.Thread(target=_sample, args=(uses, over))
    watch.start()
    try:
        figures = run_peer(peer, **settings)
    finally:
        over.set()
        watch.join()
    return {**figures, "device_use": statistics.mean(uses) if uses else 0.0}


def _sample(uses: list[float], over: threading.Event) -> None:
    command = [
        "nvidia-smi",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-i",
        "0",
    ]
    if shutil.which(command[0]) is None:
        return
    while not over.is_set():
        use = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        if use.isdigit():
            uses.append(float(use))
        time.sleep(EVERY_S)
