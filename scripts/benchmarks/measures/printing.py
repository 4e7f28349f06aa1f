"""What it costs a trial that its output is kept: 10,000 printed lines an epoch, against none."""

from __future__ import annotations

from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.report import Line
from benchmarks.turns import in_turn, median, medians, ratios, run_peer

LINES = 10_000


def measure(bench: Bench) -> list[Line]:
    """An epoch on the whole of MNIST, the first one aside."""
    rounds = in_turn(
        {"silent": lambda i: _epoch(bench, 0), "printing": lambda i: _epoch(bench, LINES)},
        bench.rounds,
        bench.log,
    )
    pairs = ratios(rounds, "printing", "silent", "epoch_s")
    return [
        Line.at_most(
            f"an epoch that prints {LINES:,} lines, of one that prints none",
            median(pairs),
            1.02,
            pairs=pairs,
            figures={f"{name} s": value for name, value in medians(rounds, "epoch_s").items()},
        )
    ]


def _epoch(bench: Bench, lines: int) -> dict[str, Any]:
    root = str(bench.whole_mnist.root)
    given = {"root": root, "training": bench.whole_mnist.sizes.training}
    return run_peer("raysweep_printing", storage=str(bench.storage()), lines=lines, **given)
