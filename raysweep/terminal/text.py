"""Format the texts that the live table, the plain lines and the summary share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from raysweep.events import StageFinished, SweepStarted, TrialUpdated, WarmStarted


def number(value: Any) -> str:
    """Format a metric or a swept value: 4 significant digits for a float."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.4g}"


def metric(name: str, value: float | None, *, percent: bool = True) -> str:
    """Format a metric with its unit: accuracies in percent, losses in nats; NaN if diverged.
    `percent`: whether those called accuracy are; else every number is shown as it is."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    if not percent:
        return number(float(value))
    return f"{value:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"


def spread(name: str, mean: float | None, std: float | None, *, percent: bool = True) -> str:
    """Format a mean and its standard deviation, if there is one: `98.12 ± 0.31 %`."""
    if mean is None or std is None:
        return metric(name, mean, percent=percent)
    if not percent:
        return f"{number(mean)} ± {number(std)}"
    if name.endswith("accuracy"):
        return f"{mean:.2f} ± {std:.2f} %"
    return f"{mean:.4f} ± {std:.4f}"


def values(overrides: Mapping[str, Any]) -> str:
    """Format values: `learning_rate=0.01 model.dropout=0.3`."""
    return " ".join(f"{name}={number(value)}" for name, value in overrides.items())


def epoch(trial: TrialUpdated) -> str:
    """`2/3`, or `2` where nobody knows how many there will be."""
    return str(trial.epoch) if trial.epochs is None else f"{trial.epoch}/{trial.epochs}"


def restarted(trial: TrialUpdated) -> str:
    """Return `  its process died; it continues in another`, or nothing once it has ended."""
    going_on = trial.restarts and trial.state == "running"
    return "  its process died; it continues in another" if going_on else ""


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
    on = f"{under_way} {'continues' if under_way == 1 else 'continue'}"
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
    """Format a stage: `load        mnist-raw:v0   reused`."""
    return f"{stage.stage:<11} {stage.ref:<24} {'reused' if stage.cached else 'made'}"
