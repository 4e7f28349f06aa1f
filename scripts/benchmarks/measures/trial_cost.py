"""Measure the overhead of a no-op trial, tracking included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.report import Line
from benchmarks.turns import in_turn, median, ratios, run_peer

WARM_UP = 20
"""Trials before the clock starts: by then each worker has run one."""


def measure(bench: Bench) -> list[Line]:
    """Compare a no-op trial with an untracked one, and with one that is tracked by hand."""
    trials = 200
    contenders = {
        "raysweep": lambda i: _raysweep(bench, trials),
        "P3": lambda i: _peer(bench, trials, tracked=False),
        "P4": lambda i: _peer(bench, trials, tracked=True),
    }
    rounds = in_turn(contenders, bench.rounds, bench.log)
    figures = {
        f"{name} s": median([each[name]["further_s"] for each in rounds]) for name in contenders
    }
    to_p3, to_p4 = (ratios(rounds, "raysweep", peer, "further_s") for peer in ("P3", "P4"))
    what = f"overhead per no-op trial ({trials} trials), relative to"
    return [
        Line.at_most(f"{what} P3, untracked", median(to_p3), 1, pairs=to_p3, figures=figures),
        Line.at_most(f"{what} P4, tracked by hand", median(to_p4), 0.5, pairs=to_p4),
    ]


def _raysweep(bench: Bench, trials: int) -> dict[str, Any]:
    figures = run_peer(
        "raysweep_nothing", storage=str(bench.storage()), trials=trials, cpus=bench.cpus
    )
    return {**figures, "further_s": a_trial_s(figures["ends"], WARM_UP, trials)}


def _peer(bench: Bench, trials: int, tracked: bool) -> dict[str, Any]:
    figures = run_peer("tune_nothing", trials=trials, tracked=tracked, cpus=bench.cpus)
    return {**figures, "further_s": a_trial_s(figures["ends"], WARM_UP, trials)}


def a_trial_s(ends: Sequence[float], first: int, last: int) -> float:
    """Return the mean time between the ends of consecutive trials, in seconds."""
    return (ends[last - 1] - ends[first - 1]) / (last - first)
