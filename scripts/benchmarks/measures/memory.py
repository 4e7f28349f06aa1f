"""Measure the memory of one more concurrent trial; memory that processes share counts once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measures.bench import Bench
from benchmarks.measures.sweep import BATCH_SIZE, LEARNING_RATES, TRAIN
from benchmarks.report import Line
from benchmarks.turns import ContenderFailed

EVERY_S = 0.25
MB = 1e6


def measure(bench: Bench) -> list[Line]:
    """Compare two concurrent trials with one, for raysweep and P2; count the data set's pages."""
    pictures = bench.whole_mnist
    data_bytes = sum(
        (pictures.folder / f"{n}.pt").stat().st_size for n in ("training", "validation")
    )
    ours = [_proportional(_raysweep(bench, trials), "TrialTrainable") for trials in (1, 2)]
    plain = [_proportional(_plain_tune(bench, trials), "ImplicitFunc") for trials in (1, 2)]
    data = [each["data"] / data_bytes for each in ours]
    more, more_p2 = (two["all"] - one["all"] for one, two in (ours, plain))
    return [
        Line.at_most(
            "the data set in memory with two concurrent trials, relative to its size",
            data[1],
            1.05,
            figures={"one trial ×": data[0], "data MB": data_bytes / MB},
        ),
        Line(
            "memory of one more concurrent trial, relative to P2's",
            more / more_p2,
            "< 1",
            more < more_p2,
            figures={"raysweep MB": more / MB, "P2 MB": more_p2 / MB},
        ),
    ]


def _raysweep(bench: Bench, trials: int) -> Callable[[Path], list[str]]:
    def command(folder: Path) -> list[str]:
        config = {
            "data": {"dataset": "MNIST", "root": str(bench.whole_mnist.root)},
            "train": {**TRAIN, "epochs": 1},
            "resources": {"cpus": 1, "gpus": 0, "max_concurrent": trials},
            "sweep": {
                "method": "grid",
                "metric": {"name": "validation/accuracy", "goal": "maximize"},
                "parameters": {"learning_rate": {"values": list(LEARNING_RATES[:trials])}},
            },
        }
        path = folder / "config.yaml"
        path.write_text(json.dumps(config))
        run = [sys.executable, "-m", "raysweep", "run", str(path), "--tracker", "trackio"]
        return [*run, "--storage", str(folder / "runs")]

    return command


def _plain_tune(bench: Bench, trials: int) -> Callable[[Path], list[str]]:
    pictures = bench.whole_mnist
    asked = {
        "folder": str(pictures.folder),
        "model": str(pictures.model(0)),
        "learning_rates": LEARNING_RATES[:trials],
        "batch_size": BATCH_SIZE,
        "epochs": 1,
        "cpus": trials,
    }
    return lambda folder: [sys.executable, "-m", "benchmarks.peers.ray_tune", json.dumps(asked)]


def _proportional(command: Callable[[Path], Sequence[str]], actor: str) -> dict[str, float]:
    """Return the peak memory, in bytes, of all processes of these actors: `all`, and the part
    `data`, pages of the data set's files."""
    most = {"all": 0.0, "data": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            list(command(Path(folder))), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        while process.poll() is None:
            found = [_of_process(pid) for pid in _processes(actor)]
            for key in most:
                most[key] = max(most[key], sum(each[key] for each in found))
            time.sleep(EVERY_S)
        output = process.communicate()[0]
    if process.returncode:
        raise ContenderFailed(output)
    return most


def _processes(actor: str) -> list[int]:
    """Find the processes of an actor: Ray names a worker's process after what it runs."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
            try:
                name = (entry / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            if name.startswith(b"ray::") and actor.encode() in name:
                found.append(int(entry.name))
    return found


def _of_process(pid: int) -> dict[str, float]:
    """Sum the proportional set size: a page that n processes share counts 1/n in each."""
    sizes: dict[str, float] = {"all": 0.0, "data": 0.0}
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return sizes
    mapped = ""
    for line in lines:
        if line.startswith("Pss:"):
            size = float(line.split()[1]) * 1024
            sizes["all"] += size
            if mapped.endswith((".pt", ".pt (deleted)")):
                sizes["data"] += size
        elif not line.partition(" ")[0].endswith(":"):
            mapped = line
    return sizes
