"""What `show SWEEP` prints: how a stored sweep stands, all its trials, and where everything is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone

from raysweep.invocation import program
from raysweep.selection import NOTHING_CHOSEN
from raysweep.storage.storage import Storage
from raysweep.sweep.shape import BUDGET
from raysweep.sweep.standing import Ranked, causes, counts, leader, ranking, row_of
from raysweep.sweep.view import SweepView, TrialView
from raysweep.terminal import text
from raysweep.terminal.pace import Pace
from raysweep.terminal.table import Column, Paint, Row, lines
from raysweep.terminal.wrap import wrap
from raysweep.tracking.links import REPORT

LOGGED_LAST = "trials, with what they logged last"
"""Title of the leaderboard of a sweep without a metric."""

STYLES = {"running": "cyan", "failed": "red", "waiting": "dim"}
"""Of a row, by its trial's state."""

NAMED = 5
"""Trials of a cause that are named."""


def sweep_lines(
    view: SweepView, storage: Storage, width: int, paint: Paint, top: int | None = None
) -> list[str]:
    """Return the lines of a sweep. `top`: how many rows the leaderboard has; None: all."""
    ranked = ranking(view)
    return [
        *wrapped([*_headline(view, ranked, paint), *_go_on(view, storage)], width),
        "",
        *_leaderboard(view, ranked, width, paint, top),
        *wrapped(_failures(view, paint), width),
        "",
        *wrapped(_where(view, storage), width),
    ]


def wrapped(sentences: Iterable[str], width: int) -> Iterator[str]:
    """Break the lines between words."""
    for line in sentences:
        yield from wrap(line, width).split("\n")


def _headline(view: SweepView, ranked: Sequence[Ranked], paint: Paint) -> Iterator[str]:
    started = when(view.started)
    long = "" if view.ended is None else f", {text.duration(view.wall_s)} in all"
    yield f"{paint(view.sweep, 'bold')}  {state(view)}; started {started}{long}"
    yield _counted(view)
    if view.state == "running":
        yield from _now(view)
    if limits := _limits(view):
        yield f"limits: {limits}"
    if fixed := text.fixed(view.display):
        yield fixed
    first = leader(view, ranked)
    if first is None:
        yield "best: none yet" if view.metric else NOTHING_CHOSEN
        return
    number = text.metric(view.metric, first.metrics.get(view.metric), percent=view.percent)
    so_far = "" if view.best else " so far"
    model = view.best["artifact"] if view.best else None
    name = f"{model} of {first.trial}" if model else first.trial
    values = text.values(first.values, view.display)
    yield f"best{so_far}: {name}, {view.metric} {number} ({values})"
    if view.test:
        yield (
            "test: "
            + ", ".join(
                f"{name} {text.metric(name, value, percent=view.percent)}"
                for name, value in view.test.items()
            )
            + _scored_by(view)
        )


def _scored_by(view: SweepView) -> str:
    """` (by report.py, as run report-climb)`, of a program that scored the winner."""
    after = view.config.get("program", {}).get("after")
    return f" (by {' '.join(after)}, as run {REPORT}-{view.sweep})" if after else ""


def _go_on(view: SweepView, storage: Storage) -> Iterator[str]:
    """Name the command that continues a sweep which was stopped."""
    if view.state == "stopped":
        failed = bool(view.trials) and all(each.state == "failed" for each in view.trials)
        again = " --retry-failed" if failed else ""
        yield f"go on: {program()} resume {view.sweep}{again}{storage.option}"


def _counted(view: SweepView) -> str:
    """`7 of 20 trials: 4 completed, 1 stopped early, 0 failed, 2 running; 13 to come`"""
    count = counts(view)
    named = {"stopped": "stopped early"}
    shown = [
        f"{number} {named.get(kind, kind)}"
        for kind, number in count.items()
        if kind != "total" and (number or kind not in ("running", "waiting"))
    ]
    head = text.plural(count["total"], "trial")
    if view.state != "ended" and view.planned is not None and view.planned > count["total"]:
        head = f"{count['total']} of {text.plural(view.planned, 'trial')}"
    ended = f"; ended by {view.budget}" if view.budget else ""
    return f"{head}: {', '.join(shown)}{ended}"


def _now(view: SweepView) -> Iterator[str]:
    """The progress of a sweep whose driver runs."""
    spent_s = time.time() - min((t.started for t in view.trials if t.started), default=time.time())
    rows = [row_of(trial) for trial in view.trials]
    most = max((trial.epochs for trial in view.trials if trial.epochs), default=None)
    left = None if view.planned is None else Pace.of(rows).remaining_s(view.planned, most, spent_s)
    if left:
        yield f"about {text.duration(left)} to go"
    if not view.trials:
        last = view.stages[-1].stage if view.stages else None
        yield f"after the stage {last}" if last else "before the first stage"
    elif all(trial.state in ("completed", "stopped", "failed") for trial in view.trials) and (
        view.planned == len(view.trials)
    ):
        yield "all trials have ended; the best is being evaluated"


def _limits(view: SweepView) -> str:
    """`run_cap 20, max_time 3600`: what may end the sweep."""
    section = view.config["sweep"]
    given = {key: section.get(key) for key in BUDGET if key != "repeats" or view.repeats > 1}
    given["target"] = (section["metric"] or {}).get("target")
    return ", ".join(f"{key} {text.number(value)}" for key, value in given.items() if value)


def _leaderboard(
    view: SweepView, ranked: Sequence[Ranked], width: int, paint: Paint, top: int | None
) -> Iterator[str]:
    if not view.trials:
        return
    title = f"leaderboard by {_by(view)} ({view.goal})" if view.metric else LOGGED_LAST
    yield paint(title, "bold")
    metrics = _metrics(view)
    first, others = ([short(name) for name in part] for part in (metrics[:1], metrics[1:]))
    columns = [
        Column("", dropped=2, right=True),
        Column("trial"),
        Column("state"),
        Column(f"{view.display.step}s", dropped=3),
        *(Column(name) for name in first),
        *(Column(name, dropped=1) for name in others),
        *([Column("mean ± std", dropped=1)] if view.repeats > 1 else []),
        Column("time", dropped=4, right=True),
        Column("values", shortened=True),
    ]
    best = leader(view, ranked)
    pairs = [(each, trial) for each in ranked for trial in each.trials]
    rows = [
        Row(
            [
                str(place),
                trial.trial,
                trial.state,
                _epochs(trial),
                *(
                    text.metric(name, trial.metrics.get(name), percent=view.percent)
                    for name in metrics
                ),
                *(_mean(view, each) if view.repeats > 1 else []),
                "–" if trial.duration_s is None else text.duration(trial.duration_s),
                text.values(trial.values, view.display),
            ],
            "bold" if trial is best else STYLES.get(trial.state, ""),
        )
        for place, (each, trial) in enumerate(pairs[:top], start=1)
    ]
    yield from lines(columns, rows, width, paint)
    if (more := len(pairs) - len(rows)) > 0:
        yield f"… {more} more"


def _by(view: SweepView) -> str:
    return f"the mean {view.metric}" if view.repeats > 1 else view.metric


def _metrics(view: SweepView) -> list[str]:
    """The metrics that are shown: the sweep's, and the usual ones."""
    reported = (name for trial in view.trials for name in trial.metrics)
    return text.shown_metrics(view.metric, view.display.columns, reported)


def _mean(view: SweepView, ranked: Ranked) -> list[str]:
    found = ranked.configuration
    return [text.spread(view.metric, found.mean, found.std, percent=view.percent)]


def _epochs(trial: TrialView) -> str:
    done = len(trial.history)
    return str(done) if trial.epochs is None else f"{done}/{trial.epochs}"


def _failures(view: SweepView, paint: Paint) -> Iterator[str]:
    found = causes(view)
    if found:
        yield ""
        yield paint("why trials failed", "bold")
    for each in found:
        names = ", ".join(each.trials[:NAMED])
        more = len(each.trials) - NAMED
        where = f" at {each.where}" if each.where and each.where not in each.error else ""
        error = text.printable(each.error)
        yield paint(f"  {text.plural(len(each.trials), 'trial')}: {error}{where}", "red")
        yield f"    {names}" + (f" and {more} more" if more > 0 else "")


def _where(view: SweepView, storage: Storage) -> Iterator[str]:
    yield f"folder:  {storage.shown_path(view.folder)}"
    if any(each.log for each in view.trials) or any(each.log for each in view.stages):
        yield f"logs:    {storage.shown_path(view.folder / 'logs')}"
    origin = storage.origin
    there = origin is not None and origin.has(f"{view.sweep}/best")
    if view.best and view.best["artifact"] and (there or (view.folder / "best").is_dir()):
        yield f"model:   {storage.shown_path(view.folder / 'best')}"
    yield f"project: {view.project}, in {storage.shown_path(storage.tracker)}"
    for what, url in ((view.result or {}).get("links") or {}).items():
        yield f"{what} in W&B: {url}"
    used = {
        (stage.stage, stage.artifact.partition(":")[0]): (
            f"{stage.artifact}{' (reused)' * stage.cached}"
        )
        for stage in view.stages
    }
    if used:
        yield f"made of: {', '.join(used.values())}"
    if view.versions:
        yield "versions: " + ", ".join(f"{name} {each}" for name, each in view.versions.items())


def state(view: SweepView) -> str:
    """Say how the sweep stands."""
    said = {
        "stopped": "stopped before it had a best",
        "unknown": "has not ended (at a URI nobody can tell whether its driver runs)",
    }
    return said.get(view.state, view.state)


def short(name: str) -> str:
    """Shorten a metric's name for a column: `val. accuracy`."""
    return name.replace("validation/", "val. ").replace("/", " ")


def when(moment: float | None) -> str:
    """Format a Unix time: `2026-11-30 22:46 UTC`."""
    if moment is None:
        return "–"
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
