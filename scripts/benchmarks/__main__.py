"""Run `scripts/bench`: measure, print a table and write a JSON file."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, report
from benchmarks.data import WHOLE, has_mnist
from benchmarks.measures import (
    commands,
    evaluation,
    gpu,
    grid,
    growth,
    memory,
    order,
    page,
    printing,
    programs,
    quality,
    start,
    sweep,
    trial_cost,
    writer,
)
from benchmarks.measures.bench import Bench
from raysweep.errors import UserError

Measure = Callable[[Bench], list[report.Line]]

MEASURES: dict[str, Measure] = {
    "start": start.measure,
    "evaluation": evaluation.measure,
    "trial": trial_cost.measure,
    "memory": memory.measure,
    "sweep": sweep.measure,
    "others": sweep.others,
    "order": order.measure,
    "growth": growth.measure,
    "commands": commands.measure,
    "grid": grid.measure,
    "report": page.measure,
    "quality": quality.measure,
    "printing": printing.measure,
    "programs": programs.measure,
    "writer": writer.measure,
}
MIN_TRIALS = 2 * len(os.sched_getaffinity(0))
QUICK = ("evaluation", "sweep")


def main() -> int:
    """Run the requested measures. Returns the exit code: 2 for invalid arguments."""
    asked = _parser().parse_args()
    try:
        _check(asked)
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    measures = {"gpu": gpu.measure} if asked.gpu else _chosen(asked)
    lines: list[report.Line] = []
    header = machine.header(gpu=asked.gpu)
    # Peers and their workers, whatever their working folder, must find these modules.
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (machine.ROOT / "scripts", machine.ROOT)))
    with tempfile.TemporaryDirectory(prefix="raysweep-bench-") as folder:
        cpus = len(os.sched_getaffinity(0))
        bench = Bench(asked.data, Path(folder), cpus, asked.pairs, asked.pictures, asked.trials)
        for name, measure in measures.items():
            bench.log(f"measuring: {name}")
            lines += measure(bench)
            report.write_json(asked.json, header, lines)  # a long run may be interrupted
    print(report.table(header, lines))
    bench.log(f"results as JSON: {asked.json}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Benchmark raysweep against the alternatives, in turns, on MNIST.",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--quick", action="store_true", help="two measures, 3 rounds, a sweep of 1,000 pictures"
    )
    which.add_argument("--gpu", action="store_true", help="trials per hour on a GPU; needs no Ray")
    which.add_argument(
        "--only", nargs="+", choices=MEASURES, metavar="NAME", help=f"of: {', '.join(MEASURES)}"
    )
    parser.add_argument("--pairs", type=int, help="rounds of each comparison (5; with --quick 3)")
    parser.add_argument(
        "--pictures", type=int, help="images that the sweep trains on (50000; with --quick 1000)"
    )
    parser.add_argument("--trials", type=int, default=20, help="trials of a program's sweep (20)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("RAYSWEEP_DATA", "data")),
        help="torchvision's root of MNIST (RAYSWEEP_DATA, else ./data)",
    )
    parser.add_argument(
        "--json", type=Path, default=Path(".bench/bench.json"), help="output file for the JSON"
    )
    return parser


def _chosen(asked: argparse.Namespace) -> dict[str, Measure]:
    names = asked.only or (QUICK if asked.quick else MEASURES)
    return {name: MEASURES[name] for name in MEASURES if name in names}


def _check(asked: argparse.Namespace) -> None:
    asked.data, asked.json = asked.data.absolute(), asked.json.absolute()
    if asked.pairs is None:
        asked.pairs = 3 if asked.quick else 5
    if asked.pictures is None:
        asked.pictures = 1_000 if asked.quick else WHOLE.training
    if asked.pairs < 1:
        raise UserError(f"--pairs {asked.pairs}: at least 1 round is needed")
    if asked.trials < MIN_TRIALS:
        raise UserError(f"--trials {asked.trials}: at least {MIN_TRIALS}, or none is a further one")
    if not 1 <= asked.pictures <= WHOLE.training:
        raise UserError(f"--pictures {asked.pictures}: at least 1, at most {WHOLE.training}")
    if not has_mnist(asked.data):
        raise UserError(
            f"--data {asked.data}: MNIST is not there; name the folder that has MNIST/raw, or "
            "call `python -m raysweep run` once, which downloads it into ./data"
        )
    if asked.gpu and not machine.gpu_name():
        raise UserError("--gpu: there is no CUDA device here; leave it out to measure the CPU")
    asked.json.parent.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
