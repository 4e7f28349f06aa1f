"""Measure how long `report` takes, and how large its page is."""

from __future__ import annotations

import sys

from benchmarks.measures.bench import Bench
from benchmarks.recorded import EPOCHS, record
from benchmarks.report import Line
from benchmarks.turns import median, run_process

TARGETS = {1_000: (5, 6), 10_000: (30, 25)}
"""Trials → seconds and MB at most."""


def measure(bench: Bench) -> list[Line]:
    """Write the page of sweeps of 1,000 and 10,000 trials."""
    lines = []
    for trials, (most_s, most_mb) in TARGETS.items():
        storage, page = bench.storage(), bench.folder / f"page-{trials}.html"
        record(storage, trials)
        command = [sys.executable, "-m", "raysweep", "report", "--storage", str(storage)]
        taken = []
        for number in range(bench.rounds):
            done = run_process([*command, "--no-browser", "--output", page])
            taken.append(done["wall_s"])
            bench.log(f"round {number + 1} of {bench.rounds}: {trials:,} trials {taken[-1]:.1f} s")
        what = f"`report` of {trials:,} trials of {EPOCHS} epochs"
        size = page.stat().st_size / 1e6
        lines += [
            Line.at_most(what, median(taken), most_s, unit="s", pairs=taken),
            Line.at_most(f"{what}: the page", size, most_mb, unit="MB"),
        ]
    return lines
