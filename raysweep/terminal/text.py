"""Format the texts that the live table, the plain lines and the summary share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raysweep.events import PLAIN, Display, StageFinished, SweepStarted, TrialUpdated, WarmStarted

WITHOUT_METRIC = 4
"""Metrics of a sweep that names none which are shown."""

_CODES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
"""A terminal's codes: colours, the cursor's moves, titles and links."""


def number(value: Any) -> str:
    """Format a metric or a swept value: 4 significant digits for a float."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.4g}"


def metric(name: str, value: float | None, *, percent: bool = True) -> str:
    """Format a metric: accuracies in percent, losses with four digits; NaN if diverged.
    `percent`: whether accuracies are in percent; if not, every number is shown as it is."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    if not percent:
        return number(float(value))
    return f"{value:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"


def shown_metrics(metric: str, usual: Sequence[str], reported: Iterable[str]) -> list[str]:
    """Choose the metrics that a table shows: the sweep's, and of the usual ones those that were
    reported. Of a sweep without a metric, the first that were reported."""
    there = list(dict.fromkeys(reported))
    if not metric:
        return there[:WITHOUT_METRIC]
    return list(dict.fromkeys([metric, *(each for each in usual if each in there)]))


def reached(name: str, metrics: Mapping[str, float] | None, *, percent: bool = True) -> str:
    """Format the sweep's metric with its name, or, without one, the first that were logged."""
    there = metrics or {}
    names = [name] if name else list(there)[:WITHOUT_METRIC]
    return ", ".join(f"{each} {metric(each, there.get(each), percent=percent)}" for each in names)


def spread(name: str, mean: float | None, std: float | None, *, percent: bool = True) -> str:
    """Format a mean and its standard deviation, if there is one: `98.12 ± 0.31 %`."""
    if mean is None or std is None:
        return metric(name, mean, percent=percent)
    if not percent:
        return f"{number(mean)} ± {number(std)}"
    if name.endswith("accuracy"):
        return f"{mean:.2f} ± {std:.2f} %"
    return f"{mean:.4f} ± {std:.4f}"


def printable(line: str) -> str:
    """Drop from a line what would move the cursor or change the terminal; of a progress bar, which
    overwrites itself, its last state stays."""
    line = _CODES.sub("", line.rstrip("\r").rpartition("\r")[2])
    return "".join(each for each in line.expandtabs() if each.isprintable())


def values(overrides: Mapping[str, Any], display: Display = PLAIN) -> str:
    """Format values: `learning_rate=0.01 model.dropout=0.3`, without those that are fixed."""
    varied = {name: value for name, value in overrides.items() if name not in display.fixed}
    return " ".join(f"{name}={number(value)}" for name, value in varied.items())


def fixed(display: Display) -> str:
    """Format what all trials have: `all trials: epochs=3`; empty if nothing is fixed."""
    return f"all trials: {values(display.fixed)}" if display.fixed else ""


def epoch(trial: TrialUpdated) -> str:
    """Format `2/3`, or `2` if the total is unknown."""
    return str(trial.epoch) if trial.epochs is None else f"{trial.epoch}/{trial.epochs}"


def restarted(trial: TrialUpdated, display: Display = PLAIN) -> str:
    """Return `  its process died; it continues in another`, or nothing once it has ended."""
    continues = trial.restarts and trial.state == "running"
    return f"  its process died; it {display.goes_on[0]} in another" if continues else ""


def cloned(trial: TrialUpdated) -> str:
    """Return `  continues from trial-0003 with learning_rate=0.01`, or nothing."""
    clone = trial.cloned
    return f"  continues from {clone['parent']} with {values(clone['values'])}" if clone else ""


def duration(seconds: float) -> str:
    """Format a duration: `48 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """Format a number of bytes: `512 B`, `34.5 MB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, noun: str) -> str:
    """Format a count: `1 trial`, `2 trials`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def headline(start: SweepStarted) -> str:
    """Describe what is about to run."""
    each = f" ({start.repeats} per configuration)" if start.repeats > 1 else ""
    most = "at most " if start.may_end_early else ""
    share = f"{start.cpus:g} CPU" + (f" and {start.gpus:g} GPU" if start.gpus else "")
    length = "" if start.epochs is None else f" of up to {plural(start.epochs, start.display.step)}"
    return (
        f"sweep {start.sweep}: {most}{plural(start.trials, 'trial')}{each}{length}, "
        f"{start.concurrent} at once with {share} each{_resumed(start)}"
    )


def _resumed(start: SweepStarted) -> str:
    """Format `; resumed: 3 trials had ended, 2 continue, 1 that failed runs again`."""
    past = start.resumed
    if past is None:
        return ""
    ended, under_way = plural(past.ended, "trial"), past.under_way
    retried = f", {past.retried} that failed run{'s' * (past.retried == 1)} again"
    on = f"{under_way} {start.display.goes_on[under_way != 1]}"
    return f"; resumed: {ended} had ended, {on}{retried if past.retried else ''}"


def recorder(start: SweepStarted) -> str:
    """Describe the tracker that records the sweep, and why."""
    where = f"; see it at {start.url}" if start.url else ""
    return f"tracker: {start.tracker} ({start.reason}){where}"


def warm_start_line(event: WarmStarted) -> str:
    """Format `warm start  8 trials of a, b taken; 3 skipped: not completed (2), other data (1)`."""
    line = f"warm start  {plural(event.taken, 'trial')} of {', '.join(event.sweeps)} taken"
    if not event.passed_over:
        return line
    reasons = ", ".join(f"{why} ({count})" for why, count in event.passed_over.items())
    return f"{line}; {sum(event.passed_over.values())} skipped: {reasons}"


def warnings(start: SweepStarted) -> list[str]:
    """Collect the warnings before the trials: about the config and the data."""
    changed = start.resumed.changed if start.resumed else ()
    since = [f"{each}: weights may differ from earlier ones" for each in changed]
    return [*start.notices, *since, *([start.warning] if start.warning else [])]


def stage_line(stage: StageFinished) -> str:
    """Format a stage: `load        mnist-raw:v0   reused`, `… convnet:v0 and 3 more   made`."""
    if not stage.ref:
        return f"{stage.stage:<11} {'no artifact':<24} {'had run' if stage.cached else 'run'}"
    refs = stage.ref + (f" and {len(stage.more)} more" if stage.more else "")
    return f"{stage.stage:<11} {refs:<24} {'reused' if stage.cached else 'made'}"


def late_stages(stages: Sequence[StageFinished]) -> list[str]:
    """Format what trials asked for, a line a stage: `initialize  convnet: 5 made, 1 reused`."""
    lines = []
    for name in dict.fromkeys(each.stage for each in stages):
        mine = [each for each in stages if each.stage == name]
        artifact = mine[0].ref.partition(":")[0]
        counts = [
            sum(1 + len(each.more) for each in mine if each.cached is c) for c in (False, True)
        ]
        words = zip(counts, ("made", "reused"), strict=True)
        lines.append(
            f"{name:<11} {artifact}: " + ", ".join(f"{n} {word}" for n, word in words if n)
        )
    return lines
