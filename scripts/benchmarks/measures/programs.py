"""What a user's own program costs as a trial, beyond itself."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.peers import programs
from benchmarks.report import Line
from benchmarks.turns import Figures, in_turn, median, medians, ratios, run_peer, run_process

BARE = "import ray; ray.init(include_dashboard=False)"


def measure(bench: Bench) -> list[Line]:
    """Time further trials, the first row, and training beside the endpoint; and its memory."""
    return [*_further(bench), _first_row(bench), _training(bench), _memory(bench)]


def _further(bench: Bench) -> list[Line]:
    given = {"program": "short.py", "trials": bench.trials, "cpus": bench.cpus}

    def raysweep(number: int) -> Figures:
        return _timed(run_peer("raysweep_program", storage=str(bench.storage()), **given))

    def agents(number: int) -> Figures:
        return _timed(run_peer("wandb_agents", **given))

    def _timed(figures: dict[str, Any]) -> Figures:
        a_trial = programs.cadence_s(figures["notes"], bench.cpus)
        return {"a_trial_s": a_trial, "mean_s": figures["wall_s"] / bench.trials, **figures}

    contenders = {"wandb agents": agents, "raysweep": raysweep}
    rounds = in_turn(contenders, bench.rounds, bench.log)
    lines = []
    for what, key in (
        ("a further trial", "a_trial_s"),
        ("a trial, start and end shared", "mean_s"),
    ):
        pairs = ratios(rounds, "raysweep", "wandb agents", key)
        figures = {f"{name} s": value for name, value in medians(rounds, key).items()}
        lines.append(
            Line.at_most(
                f"program: {what}, of {bench.trials} with 5 rows and an artifact, over "
                "`wandb agent`'s",
                median(pairs),
                0.2,
                pairs=pairs,
                figures=figures,
            )
        )
    return lines


def _first_row(bench: Bench) -> Line:
    """From the start of the command to the program's first row: bare Ray and the program by hand
    against a sweep of one trial."""

    def by_hand(number: int) -> Figures:
        return _by_hand("short.py", "offline")

    def bare(number: int) -> Figures:
        return run_process([sys.executable, "-c", BARE])

    def raysweep(number: int) -> Figures:
        given = {"program": "short.py", "trials": 1, "cpus": bench.cpus}
        figures = run_peer("raysweep_program", storage=str(bench.storage()), **given)
        logged, heard = figures["notes"][0]["first_row"], figures["heard"]
        began = figures["began"]
        return {**figures, "first_row_s": logged - began, "heard_s": heard - began}

    contenders = {"bare ray.init": bare, "by hand": by_hand, "raysweep": raysweep}
    rounds = in_turn(contenders, bench.rounds, bench.log)
    over = [
        each["raysweep"]["first_row_s"]
        - each["by hand"]["first_row_s"]
        - each["bare ray.init"]["wall_s"]
        for each in rounds
    ]
    figures = {
        "raysweep s": median([each["raysweep"]["first_row_s"] for each in rounds]),
        "heard by the driver after s": median([each["raysweep"]["heard_s"] for each in rounds]),
        "by hand s": median([each["by hand"]["first_row_s"] for each in rounds]),
        "bare ray.init s": median([each["bare ray.init"]["wall_s"] for each in rounds]),
    }
    what = "program: first row of the first trial, over by hand and a bare ray.init"
    return Line.at_most(what, median(over), 1, unit="s", pairs=over, figures=figures)


def _training(bench: Bench) -> Line:
    """The time that 1,000 steps take, each with a row: 100 rows a second or so; and what W&B's
    client takes of it by itself, writing to a file."""

    def raysweep(number: int) -> Figures:
        given = {"program": "steady.py", "trials": 1, "cpus": bench.cpus}
        figures = run_peer("raysweep_program", storage=str(bench.storage()), **given)
        return {**figures, **figures["notes"][0]}

    def disabled(number: int) -> Figures:
        return _by_hand("steady.py", "disabled")

    def offline(number: int) -> Figures:
        return _by_hand("steady.py", "offline")

    contenders = {"disabled": disabled, "raysweep": raysweep, "offline": offline}
    rounds = in_turn(contenders, bench.rounds, bench.log)
    pairs = ratios(rounds, "raysweep", "disabled", "training_s")
    figures = {f"{name} s": value for name, value in medians(rounds, "training_s").items()}
    alone = ratios(rounds, "offline", "disabled", "training_s")
    figures["W&B's client alone, offline, over disabled"] = median(alone)
    cpu = ratios(rounds, "raysweep", "disabled", "training_cpu_s")
    figures["ratio of the CPU time of the training's own thread"] = median(cpu)
    figures["driver's CPU s"] = median([each["raysweep"]["driver_cpu_s"] for each in rounds])
    what = "program: training with 100 rows a second, over WANDB_MODE=disabled"
    return Line.at_most(what, median(pairs), 1.03, pairs=pairs, figures=figures)


def _by_hand(program: str, mode: str) -> dict[str, Any]:
    """Run the program as it is, in a folder of its own, with the threads that a trial has."""
    with tempfile.TemporaryDirectory() as folder:
        given = {"BENCH_NOTES": folder, "WANDB_MODE": mode, "OMP_NUM_THREADS": "1"}
        words = [f"{name}={value}" for name, value in given.items()]
        command: list[str | Path] = [Path("/usr/bin/env"), *words]
        command += [sys.executable, programs.FOLDER / program]
        figures = run_process(command, cwd=Path(folder))
        noted = programs.read_notes(folder, 1)[0]
    if "first_row" in noted:
        noted["first_row_s"] = noted["first_row"] - figures["began"]
    return {**figures, **noted}


def _memory(bench: Bench) -> Line:
    taken = [run_peer("endpoint_memory", folder=str(bench.storage())) for _ in range(bench.rounds)]
    both = [(each["worker_bytes"] + each["supervisor_bytes"]) / 2**20 for each in taken]
    shown = {
        f"{of} MB": median([each[f"{of}_bytes"] / 2**20 for each in taken])
        for of in ("worker", "supervisor")
    }
    what = "program: memory of a trial's endpoint and supervisor, 10,000 rows logged at once"
    return Line.at_most(what, median(both), 30, unit="MB", pairs=both, figures=shown)
