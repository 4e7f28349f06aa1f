"""What `show SWEEP TRIAL` prints: one trial, from its values to the end of its log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from raysweep.storage.storage import Storage
from raysweep.sweep.shape import in_order
from raysweep.sweep.view import SweepView, TrialView
from raysweep.terminal import text
from raysweep.terminal.show import short, when
from raysweep.terminal.sparkline import sparkline
from raysweep.terminal.table import Paint
from raysweep.tracking import RunRecord


def trial_lines(
    view: SweepView,
    trial: TrialView,
    storage: Storage,
    run: RunRecord | None,
    log_end: Sequence[str],
    paint: Paint,
) -> list[str]:
    """Return the lines of a trial. `run`: its record in the tracker; `log_end`: the last lines of
    its log."""
    return [
        *_headline(view, trial, paint),
        *_history(view, trial),
        *_artifacts(run),
        *_error(trial, paint),
        *_log(trial, storage, log_end, paint),
    ]


def _headline(view: SweepView, trial: TrialView, paint: Paint) -> Iterator[str]:
    names = [each.trial for each in in_order(view)]
    rank = f", {names.index(trial.trial) + 1} of {len(names)}" if trial.metrics else ""
    yield f"{paint(trial.trial, 'bold')} of {view.sweep}: {trial.state}{rank}"
    yield f"values:   {text.values(trial.values) or '–'}"
    if view.repeats > 1:
        yield f"repeat:   {trial.repeat + 1} of {view.repeats}"
    epochs = str(len(trial.history))
    done = epochs if trial.epochs is None else f"{epochs}/{trial.epochs}"
    yield f"{f'{view.display.step}s:':<9} {done}"
    yield f"started:  {when(trial.started)}{_took(trial)}"
    if trial.node is not None:
        yield f"node:     {trial.worker}"
    if trial.restarts:
        yield f"restarts: {trial.restarts}, as its process died"
    if trial.metrics:
        shown = {name: each for name, each in trial.metrics.items() if name != "epoch"}
        best = ", ".join(
            f"{name} {text.metric(name, each, percent=view.percent)}"
            for name, each in shown.items()
        )
        yield f"{'best:   ' if view.metric else 'logged: '}  {best}{_after(view, trial)}"


def _after(view: SweepView, trial: TrialView) -> str:
    """`, after epoch 2`: which of its reports counts."""
    if not view.metric:
        return ""
    score = trial.metrics.get(view.metric)
    scores = [row.get(view.metric) for row in trial.history]
    return f", after {view.display.step} {scores.index(score) + 1}" if score in scores else ""


def _took(trial: TrialView) -> str:
    if trial.duration_s is not None:
        return f", took {text.duration(trial.duration_s)}"
    if trial.state == "running" and trial.started is not None:
        return f", {text.duration(max(0.0, time.time() - trial.started))} so far"
    return ""


def _history(view: SweepView, trial: TrialView) -> Iterator[str]:
    """A line a metric: its course, its first and its last value."""
    names = dict.fromkeys(name for row in trial.history for name in row)
    shown = [name for name in names if name not in ("epoch", "step")]
    if not shown:
        return
    yield ""
    yield f"history over {text.plural(len(trial.history), view.display.step)}"
    wide = max(len(short(name)) for name in shown)
    for name in shown:
        course = [row.get(name) for row in trial.history]
        there = [each for each in course if each is not None] or [None]
        first, last = (
            text.metric(name, each, percent=view.percent) for each in (there[0], there[-1])
        )
        ends = first if len(there) == 1 else f"{first} → {last}"
        yield f"  {short(name):<{wide}}  {sparkline(course)}  {ends}"


def _artifacts(run: RunRecord | None) -> Iterator[str]:
    if run is None:
        return
    yield ""
    yield f"used:     {', '.join(run.used) or '–'}"
    yield f"logged:   {', '.join(run.logged) or '–'}"
    if run.url:
        yield f"page:     {run.url}"


def _error(trial: TrialView, paint: Paint) -> Iterator[str]:
    if trial.error is None:
        return
    yield ""
    yield paint(f"failed: {text.printable(trial.error)}", "red")
    if trial.where:
        yield f"at {trial.where}"
    if trial.traceback:
        yield ""
        yield from map(text.printable, trial.traceback.splitlines())


def _log(trial: TrialView, storage: Storage, log_end: Sequence[str], paint: Paint) -> Iterator[str]:
    if trial.log is None:
        return
    yield ""
    yield paint(f"the end of its log, {storage.shown_path(trial.log)}", "bold")
    none = "(empty)" if trial.log.exists() else "(large: `logs` downloads it)"
    yield from (f"  {text.printable(line)}" for line in log_end or [none])
