"""Measure whether a trial late in a long sweep costs what an early one does."""

from __future__ import annotations

from benchmarks.many import TRIALS, ended_sweep
from benchmarks.measures.bench import Bench
from benchmarks.measures.trial_cost import WARM_UP, a_trial_s
from benchmarks.report import Line

SPAN = 500


def measure(bench: Bench) -> list[Line]:
    """Compare the last trials of one sweep with trials 500 to 1,000; measure the driver's memory
    per trial, and the time from the last trial to the end."""
    _, figures = ended_sweep(bench)
    ends, rss = figures["ends"], figures["rss_bytes"]
    spans = {last: a_trial_s(ends, last - SPAN, last) for last in (1000, 2000, 4000, 6000, 8000)}
    early, late = spans[1000], a_trial_s(ends, TRIALS - SPAN, TRIALS)
    grown = (rss[-1] - rss[WARM_UP]) / (TRIALS - WARM_UP) / 1000
    told = {f"at {last:,} ms": seconds * 1000 for last, seconds in spans.items()}
    return [
        Line.at_most(
            f"time per no-op trial at trial {TRIALS:,}, relative to trials 500 to 1,000",
            late / early,
            1.2,
            figures={**told, f"at {TRIALS:,} ms": late * 1000},
            note=f"one sweep, the means of {SPAN} trials each",
        ),
        Line.at_most("the driver's memory per trial", grown, 30, unit="kB"),
        Line(
            f"from the last of {TRIALS:,} trials to the end of the sweep",
            figures["ended"] - ends[-1],
            unit="s",
        ),
    ]
