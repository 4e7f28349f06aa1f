"""What the page says in sentences: the winner, how the sweep went, why trials failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from raysweep.report.axes import shown
from raysweep.report.importances import score
from raysweep.sweep.view import SweepView, TrialView


def number(value: Any) -> str:
    """Format a value: 4 significant digits for a float."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}"
    return shown(value)


def metric(name: str, value: Any, percent: Sequence[str]) -> str:
    """Format a metric; those in `percent` are percent."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    return f"{value:.2f} %" if name in percent else number(float(value))


def plural(count: int, noun: str) -> str:
    """Format a count: `1 trial`, `1,000 trials`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """Format a duration: `48 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def percent_metrics(views: Sequence[SweepView]) -> list[str]:
    """List the accuracies that are percent: a fraction never exceeds 1."""
    most: dict[str, float] = {}
    for view in views:
        if not view.percent:
            continue
        rows: list[Mapping[str, Any]] = [trial.metrics for trial in view.trials]
        for row in [*rows, view.test or {}]:
            for name, value in row.items():
                if name.endswith("accuracy") and isinstance(value, (int, float)):
                    most[name] = max(most.get(name, 0), value)
    return [name for name, value in most.items() if value > 1]


def winner(view: SweepView) -> TrialView | None:
    """Return the trial that won, or leads; None where no trial has a score."""
    if view.best is not None:
        named = [trial for trial in view.trials if trial.trial == view.best.get("trial")]
        if named:
            return named[0]
    scored = [(value, t) for t in view.trials if (value := score(view, t)) is not None]
    if not scored:
        return None
    sign = 1 if view.goal == "minimize" else -1
    return min(scored, key=lambda each: (sign * each[0], each[1].number))[1]


def headline(view: SweepView, percent: Sequence[str]) -> str:
    """Say who won, or leads, with which score."""
    first, total = winner(view), len(view.trials)
    if first is None:
        failed = sum(trial.state == "failed" for trial in view.trials)
        if total and failed == total:
            return "No winner: " + ("the only trial failed." if total == 1 else _all_failed(total))
        if total and not view.metric:
            return "No metric: nothing is chosen as best."
        return "No trial has a score yet." if total else "No trial has started yet."
    metrics = first.metrics if view.best is None else view.best.get("metrics", first.metrics)
    reached = f"{view.metric} {metric(view.metric, metrics.get(view.metric), percent)}"
    if view.best is None:
        return f"{first.trial} leads with {reached}."
    alone = ", the only trial," if total == 1 else ""
    return f"{first.trial}{alone} won with {reached}."


def headlines(views: Sequence[SweepView], percent: Sequence[str]) -> str:
    """Say the same of several sweeps: which of them is ahead, where they share a metric."""
    if len(views) == 1:
        return headline(views[0], percent)
    leaders = [(view, trial) for view in views if (trial := winner(view)) is not None]
    if len({(view.metric, view.goal) for view in views}) > 1:
        return f"{len(views)} sweeps with different metrics, side by side."
    if not leaders:
        return f"None of the {len(views)} sweeps has a winner."
    sign = 1 if views[0].goal == "minimize" else -1
    view, trial = min(leaders, key=lambda each: sign * (score(*each) or 0.0))
    reached = metric(view.metric, score(view, trial), percent)
    return f"{view.sweep} is ahead: its {trial.trial} reached {view.metric} {reached}."


def _all_failed(total: int) -> str:
    return "both trials failed." if total == 2 else f"all {total:,} trials failed."


def lead(view: SweepView, percent: Sequence[str]) -> str:
    """Say what the winner was made with, and what came of it, in one or two sentences."""
    first = winner(view)
    if first is None:
        return causes_in_words(view)
    sentences = []
    fixed = view.display.fixed
    varied = {name: value for name, value in first.values.items() if name not in fixed}
    if varied:
        values = ", ".join(f"{name} {number(value)}" for name, value in varied.items())
        sentences.append(f"It was trained with {values}.")
    if view.test:
        told = [f"{name} {metric(name, value, percent)}" for name, value in scores(view)]
        sentences.append(f"On the test split: {', '.join(told)}.")
    artifact = first.artifact or (view.best or {}).get("artifact")
    if artifact:
        sentences.append(f"Its model is {artifact}.")
    return " ".join(sentences)


def fixed(view: SweepView) -> str:
    """Say what all trials have, or nothing."""
    values = ", ".join(f"{name} {number(value)}" for name, value in view.display.fixed.items())
    return f"All trials: {values}." if values else ""


def scores(view: SweepView) -> list[tuple[str, Any]]:
    """List the scores on the test split; the loss is last."""
    return sorted((view.test or {}).items(), key=lambda item: item[0] == "loss")


def course(view: SweepView) -> str:
    """Say how many trials there were, how they ended, and how long it took."""
    states = Counter[str](trial.state for trial in view.trials)
    names = {"stopped": "stopped early"}
    order = ("completed", "stopped", "failed", "running", "waiting")
    known = [f"{states[each]:,} {names.get(each, each)}" for each in order if states[each]]
    ended = f": {', '.join(known)}" if known else ""
    took = f"; {duration(view.wall_s)} in all" if view.wall_s else ""
    return f"{plural(len(view.trials), 'trial')}{ended}{took}."


def causes(view: SweepView) -> list[dict[str, Any]]:
    """Group the failed trials by cause, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    for trial in view.trials:
        if trial.state == "failed":
            key = (trial.error or "no cause was recorded", trial.where or "")
            found.setdefault(key, []).append(trial.trial)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [
        {"error": error, "where": where, "count": len(trials), "first": trials[0]}
        for (error, where), trials in ordered
    ]


def causes_in_words(view: SweepView) -> str:
    """Say why most trials failed; nothing where none did."""
    found = causes(view)
    if not found:
        return ""
    most = found[0]
    where = f" at {most['where']}" if most["where"] else ""
    if len(found) == 1:
        return f"The cause: {most['error']}{where}."
    return f"The most frequent cause, of {most['count']:,}: {most['error']}{where}."
