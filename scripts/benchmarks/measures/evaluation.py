"""Time the evaluation of 10,000 test images: loss, accuracy, confusion matrix, 32 hardest."""

from __future__ import annotations

from benchmarks.measures.bench import Bench
from benchmarks.report import Line
from benchmarks.turns import in_turn, median, ratios, run_peer


def measure(bench: Bench) -> list[Line]:
    """Compare raysweep's single pass with the tutorial's two, of which one has batch size 1."""
    pictures = bench.whole_mnist
    asked = {"folder": str(pictures.folder), "model": str(pictures.model(0)), "cpus": bench.cpus}
    contenders = {
        name: lambda i, who=name: run_peer("evaluation", who=who, **asked)
        for name in ("raysweep", "P1")
    }
    rounds = in_turn(contenders, bench.rounds, bench.log)
    assert all(each["raysweep"]["hardest"] == each["P1"]["hardest"] for each in rounds), (
        "their hardest images differ"
    )
    faster = ratios(rounds, "P1", "raysweep", "scored_s")
    figures = {
        f"{name} s": median([each[name]["scored_s"] for each in rounds]) for name in contenders
    }
    what = "evaluation of 10,000 test images, same 32 hardest: faster than P1's loop"
    return [Line.at_least(what, median(faster), 20, pairs=faster, figures=figures)]
