"""Run contenders in turn, A B A B …, and compare them by the median of the rounds' ratios.

Machines are noisy, and the speed of shared ones drifts. The drift cancels in the ratio of two times
that were taken one right after the other. Absolute times are shown, but are no claims.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]
"""A contender's results of one round: seconds, accuracies, …; always with `wall_s`."""


class ContenderFailed(Exception):
    """A contender's process ended with an exit code other than 0."""


def run_peer(name: str, **settings: Any) -> dict[str, Any]:
    """Run `benchmarks.peers.<name>` in a new process; return the figures that it prints as JSON."""
    return run_process([sys.executable, "-m", f"benchmarks.peers.{name}", json.dumps(settings)])


def run_process(command: Sequence[str | Path], cwd: Path | None = None) -> dict[str, Any]:
    """Run a command; return the last JSON line of its stdout, with `began` and `wall_s`."""
    began, start = time.time(), time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    wall_s = time.perf_counter() - start
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise ContenderFailed(f"{' '.join(map(str, command))}: exit {done.returncode}\n{tail}")
    printed = [line for line in done.stdout.splitlines() if line.startswith("{")]
    figures = json.loads(printed[-1]) if printed else {}
    return {**figures, "began": began, "wall_s": wall_s}


def in_turn(
    contenders: Mapping[str, Callable[[int], Figures]],
    rounds: int,
    log: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Figures]]:
    """Run every contender once per round, with the round's number. Every other round is reversed,
    so that no contender always follows the same one."""
    played = []
    for number in range(rounds):
        names = list(contenders)
        if number % 2:
            names.reverse()
        figures = {}
        for name in names:
            figures[name] = contenders[name](number)
            log(f"round {number + 1} of {rounds}: {name} {figures[name]['wall_s']:.1f} s")
        played.append({name: figures[name] for name in contenders})
    return played


def ratios(
    rounds: Sequence[Mapping[str, Figures]], over: str, under: str, key: str = "wall_s"
) -> list[float]:
    """Compute `over` divided by `under` for each round."""
    return [each[over][key] / each[under][key] for each in rounds]


def median(values: Sequence[float]) -> float:
    """Return the median: the middle value, or the mean of the two middle ones."""
    return statistics.median(values)


def medians(rounds: Sequence[Mapping[str, Figures]], key: str = "wall_s") -> dict[str, float]:
    """Compute each contender's median of a figure."""
    return {name: median([each[name][key] for each in rounds]) for name in rounds[0]}
