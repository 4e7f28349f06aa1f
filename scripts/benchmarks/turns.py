"""Contenders in turn, A B A B …, and what one is against another: a median of ratios.

Machines are noisy, and shared ones drift. Two times taken one right after the other share the
drift, so that their ratio does not have it; absolute times are shown, and claim nothing.
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
"""What a contender told of one round: seconds, accuracies, …; `wall_s` is always there."""


class ContenderFailed(Exception):
    """A contender's process ended with another code than 0."""


def run_peer(name: str, **settings: Any) -> dict[str, Any]:
    """`benchmarks.peers.<name>` in a fresh process. What it prints as JSON: its figures."""
    return run_process([sys.executable, "-m", f"benchmarks.peers.{name}", json.dumps(settings)])


def run_process(command: Sequence[str | Path], cwd: Path | None = None) -> dict[str, Any]:
    """The figures on the last line of its stdout that is JSON, with `began` and `wall_s`."""
    began, start = time.time(), time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    wall_s = time.perf_counter() - start
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise ContenderFailed(f"{' '.join(map(str, command))}: exit {done.returncode}\n{tail}")
    told = [line for line in done.stdout.splitlines() if line.startswith("{")]
    figures = json.loads(told[-1]) if told else {}
    return {**figures, "began": began, "wall_s": wall_s}


def in_turn(
    contenders: Mapping[str, Callable[[int], Figures]],
    rounds: int,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Figures]]:
    """Every contender once a round, given the round's number; every other round backwards, so that
    none always comes after the same one."""
    played = []
    for number in range(rounds):
        names = list(contenders)
        if number % 2:
            names.reverse()
        figures = {}
        for name in names:
            figures[name] = contenders[name](number)
            tell(f"round {number + 1} of {rounds}: {name} {figures[name]['wall_s']:.1f} s")
        played.append({name: figures[name] for name in contenders})
    return played


def ratios(
    rounds: Sequence[Mapping[str, Figures]], over: str, under: str, key: str = "wall_s"
) -> list[float]:
    """`over` by `under` in each round."""
    return [each[over][key] / each[under][key] for each in rounds]


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    return statistics.median(values)


def medians(rounds: Sequence[Mapping[str, Figures]], key: str = "wall_s") -> dict[str, float]:
    """Each contender's median of a figure."""
    return {name: median([each[name][key] for each in rounds]) for name in rounds[0]}
