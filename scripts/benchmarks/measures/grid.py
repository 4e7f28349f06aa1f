"""Measure what a very large grid costs before its first trial starts."""

from __future__ import annotations

import json
import sys

from benchmarks.measures.bench import Bench
from benchmarks.peers import nothing
from benchmarks.report import Line
from benchmarks.turns import Figures, in_turn, median, medians, run_peer, run_process

SMALL, LARGE = 10, 1_000_000


def measure(bench: Bench) -> list[Line]:
    """Compare `plan`, the time to the first trial and the driver's memory with a small grid's."""
    planned = in_turn(
        {"small": lambda i: _plan(bench, SMALL), "large": lambda i: _plan(bench, LARGE)},
        bench.rounds,
        bench.log,
    )
    started = in_turn(
        {"small": lambda i: _first(bench, SMALL), "large": lambda i: _first(bench, LARGE)},
        bench.rounds,
        bench.log,
    )
    plan_s = [each["large"]["wall_s"] - each["small"]["wall_s"] for each in planned]
    more_s = [each["large"]["first_s"] - each["small"]["first_s"] for each in started]
    more_mb = [(e["large"]["peak_bytes"] - e["small"]["peak_bytes"]) / 1e6 for e in started]
    what = f"a grid of {LARGE:,}"
    return [
        Line.at_most(
            f"{what}: `plan`, beyond a grid of {SMALL}",
            median(plan_s),
            2,
            unit="s",
            pairs=plan_s,
            figures={f"{name} s": s for name, s in medians(planned).items()},
        ),
        Line.at_most(
            f"{what}: the first trial, beyond a grid of {SMALL}",
            median(more_s),
            2,
            unit="s",
            pairs=more_s,
            figures={f"{name} s": s for name, s in medians(started, "first_s").items()},
        ),
        Line.at_most(
            f"{what}: the driver's memory, beyond a grid of {SMALL}",
            median(more_mb),
            300,
            unit="MB",
            pairs=more_mb,
        ),
    ]


def _plan(bench: Bench, trials: int) -> Figures:
    config = bench.folder / f"grid-{trials}.yaml"
    config.write_text(json.dumps(nothing.sweep(trials)))
    storage = str(bench.storage())
    return run_process(
        [sys.executable, "-m", "raysweep", "plan", str(config), "--storage", storage]
    )


def _first(bench: Bench, trials: int) -> Figures:
    asked = {"storage": str(bench.storage()), "trials": trials, "cpus": bench.cpus}
    figures = run_peer("raysweep_first", **asked)
    return {**figures, "first_s": figures["first_trial"] - figures["began"]}
