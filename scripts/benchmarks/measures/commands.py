"""Measure what the commands take on a sweep of many trials."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.many import TRIALS, cut_off, ended_sweep
from benchmarks.measures.bench import Bench
from benchmarks.report import Line
from benchmarks.turns import ContenderFailed, median, run_peer

LEFT = 20
"""Trials that a sweep in its midst has yet to run."""


PLANNED = {
    "data": {"dataset": "digits"},
    "sweep": {
        "method": "grid",
        "parameters": {
            "learning_rate": {"values": [(i + 1) / 1000 for i in range(TRIALS // 100)]},
            "batch_size": {"values": [i + 1 for i in range(100)]},
        },
    },
}
"""A sweep of as many trials of the built-in training: the no-op trials' code imports torch."""


def measure(bench: Bench) -> list[Line]:
    """Time each command on an ended sweep, and `resume` of one that was cut off, up to the first
    trial that it starts."""
    storage, _ = ended_sweep(bench)
    [name] = [path.parent.name for path in storage.glob("*/sweep.json")]
    config = bench.folder / "many.yaml"
    config.write_text(json.dumps(PLANNED))
    commands = {
        "list": ["list"],
        "show": ["show"],
        "show --json": ["show", "--json"],
        "best": ["best"],
        "plan": ["plan", str(config)],
        "resume": ["resume", name],
    }
    lines = []
    for shown, command in commands.items():
        taken = [
            _seconds(bench, [*command, "--storage", str(storage)]) for _ in range(bench.rounds)
        ]
        what = f"`{shown}`, a sweep of {TRIALS:,} trials that has ended"
        lines.append(Line.at_most(what, median(taken), 1.5, unit="s", pairs=taken))
    return [*lines, _resumed(bench, storage)]


def _seconds(bench: Bench, command: list[str]) -> float:
    """Time a command that succeeds, or says that there is nothing to do."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "raysweep", *command], capture_output=True, text=True, check=False
    )
    taken = time.perf_counter() - began
    if done.returncode and "has ended" not in done.stderr:
        raise ContenderFailed(f"{command}: exit {done.returncode}\n{done.stderr}")
    bench.log(f"{command[0]} {taken:.2f} s")
    return taken


def _resumed(bench: Bench, storage: Path) -> Line:
    taken = []
    for _ in range(bench.rounds):
        copy = cut_off(storage, TRIALS - LEFT, bench.folder / "cut")
        figures = run_peer("raysweep_resumed", storage=str(copy))
        taken.append(figures["first_trial"] - figures["began"])
        bench.log(f"resume {taken[-1]:.1f} s")
    what = f"`resume` of a sweep that was cut off after {TRIALS - LEFT:,} trials: its first trial"
    return Line.at_most(what, median(taken), 20, unit="s", pairs=taken)
