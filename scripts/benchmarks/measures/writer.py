"""What the writer bears: rows a second, trials at once, and a large model."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.measures.bench import Bench
from benchmarks.report import Line
from benchmarks.turns import Figures, in_turn, median, medians, ratios, run_peer

ROWS = 50_000
SECONDS = 20
CURVE = (64, 256, 512, 1_024)
"""Trials at once on four raylets. Those of the target come first."""

MODEL_BYTES = 2 * 2**30


def measure(bench: Bench) -> list[Line]:
    """Measure one client as fast as it can, many that sleep, and a large model of another node."""
    return [_rows(bench), *_at_once(bench), *_model(bench)]


def _rows(bench: Bench) -> Line:
    def logging(way: str) -> Figures:
        return run_peer("rows", way=way, rows=ROWS, folder=str(bench.storage()))

    ways = ("raysweep", "trackio", "wandb")
    contenders = {way: (lambda i, way=way: logging(way)) for way in ways}
    rounds = in_turn(contenders, bench.rounds, bench.log)
    rates = medians(rounds, "rows_per_s")
    faster = max(("trackio", "wandb"), key=rates.__getitem__)
    pairs = ratios(rounds, "raysweep", faster, "rows_per_s")
    figures = {f"{name}, rows a second": value for name, value in rates.items()}
    what = f"writer: rows a second, over the faster other client ({faster})"
    return Line.at_least(what, median(pairs), 1, pairs=pairs, figures=figures)


def _at_once(bench: Bench) -> list[Line]:
    """16 trials on one raylet, then ever more on four."""
    lines = []
    for trials, raylets in ((16, 1), *((trials, 4) for trials in CURVE)):
        figures = _sleepers(bench, trials, raylets)
        bench.log(f"{trials} at once on {raylets} raylets: {figures['rows_per_s']:.0f} rows/s")
        shown = {
            "rows a second": figures["rows_per_s"],
            "rows lost": figures["lost"],
            "the writer's cores": figures["writer_cores"],
        }
        what = (
            f"writer: the latest row of {trials} trials at once on {raylets} raylets, 10 a second"
        )
        lines.append(Line.at_most(what, figures["latest_s"], 5, unit="s", figures=shown))
    return lines


def _model(bench: Bench) -> list[Line]:
    def copied(number: int) -> Figures:
        folder = bench.storage()
        folder.mkdir(parents=True)
        _fill(folder / "from", MODEL_BYTES)
        began = time.perf_counter()
        subprocess.run(["cp", folder / "from", folder / "to"], check=True)
        took = time.perf_counter() - began
        for name in ("from", "to"):
            (folder / name).unlink()
        return {"model_s": took, "wall_s": took}

    def logged(number: int) -> Figures:
        return _sleepers(bench, 16, 1, model_bytes=MODEL_BYTES)

    rounds = in_turn({"cp": copied, "logged": logged}, min(bench.rounds, 3), bench.log)
    pairs = ratios(rounds, "logged", "cp", "model_s")
    figures = {f"{name} s": value for name, value in medians(rounds, "model_s").items()}
    grew = max(each["logged"]["writer_grew_bytes"] for each in rounds) / 2**20
    latest = max(each["logged"]["latest_s"] for each in rounds)
    return [
        Line.at_most(
            "writer: a model of 2 GB from another node, over `cp` on this disk",
            median(pairs),
            2,
            pairs=pairs,
            figures=figures,
        ),
        Line.at_most("writer: its memory grows meanwhile by", grew, 64, unit="MB"),
        Line.at_most("writer: the latest row of 16 trials meanwhile", latest, 5, unit="s"),
    ]


def _sleepers(bench: Bench, trials: int, raylets: int, **more: Any) -> dict[str, Any]:
    given = {"trials": trials, "raylets": raylets, "seconds": SECONDS, **more}
    return run_peer("at_once", folder=str(bench.storage()), **given)


def _fill(file: Path, size: int) -> None:
    block = os.urandom(2**20)
    with file.open("wb") as out:
        for _ in range(size // len(block)):
            out.write(block)
