"""The trials of a page as compact JSON: columns of history, and texts that are kept once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raysweep.report.importances import score
from raysweep.sweep.view import SweepView, TrialView
from raysweep.tracking.metadata import plain

_MOST_VALUES = 1_500_000
"""Numbers of all histories together, which are 6 MB of the page."""

_LOG_BYTES = 6_000_000
"""Bytes of all logs' ends together, before compression."""

_STEPS = ("epoch", "step")
"""What a row of history is drawn over: the first of these that it has."""

_NO_METRICS = {*_STEPS, "at", "index", "event", "epochs", "timestamp", "_timestamp", "_step"}


class Texts:
    """Long texts by number, each once: a thousand trials may fail with the same traceback."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str | None) -> int | None:
        """Return the text's number; None for no text."""
        return self._numbers.setdefault(text, len(self._numbers)) if text else None

    def to_json(self) -> list[str]:
        """List the texts by their numbers."""
        return list(self._numbers)


def trials_json(views: Sequence[SweepView], texts: Texts) -> list[dict[str, Any]]:
    """Convert the trials of all sweeps; see `_trial` for the keys."""
    count = sum(len(view.trials) for view in views)
    values = sum(len(t.history) * len(_keys(t.history[-1:])) for v in views for t in v.trials)
    thinned = max(1.0, values / _MOST_VALUES)
    log_bytes = min(8_000, max(500, _LOG_BYTES // max(count, 1)))
    return [
        _trial(index, view, trial, texts, thinned, log_bytes)
        for index, view in enumerate(views)
        for trial in view.trials
    ]


def step_name(views: Sequence[SweepView]) -> str:
    """Name what histories are drawn over: `epoch`, `step`, or `report` for a mixture."""
    rows = [trial.history[-1] for view in views for trial in view.trials if trial.history]
    return next((key for key in _STEPS if all(key in row for row in rows)), "report")


def _trial(
    sweep: int, view: SweepView, trial: TrialView, texts: Texts, thinned: float, log_bytes: int
) -> dict[str, Any]:
    """Convert one: `s` sweep, `n` number, `t` name, `st` state, `v` values, `m` metrics, `y` score,
    `a`, `b` Unix times in seconds, `node`, `w` worker, `art` artifact, `x` the steps of its
    history and `h` its columns, `e` error, `wh` where, `tb` traceback and `l` log's end (numbers of
    texts). Keys without a value are left out."""
    steps, columns = _history(trial.history, thinned)
    row = {
        "s": sweep,
        "n": trial.number,
        "t": trial.trial,
        "st": trial.state,
        "v": plain(trial.values),
        "m": {name: rounded(value) for name, value in trial.metrics.items()},
        "y": score(view, trial),
        "a": _seconds(trial.started),
        "b": _seconds(trial.ended),
        "node": trial.node,
        "w": trial.worker,
        "art": trial.artifact,
        "x": steps,
        "h": columns,
        "e": texts(trial.error),
        "wh": trial.where,
        "tb": texts(trial.traceback),
        "l": texts(_end_of(trial.log, log_bytes)),
    }
    return {key: value for key, value in row.items() if value not in (None, [], {})}


def rounded(value: Any) -> Any:
    """Round a float to 6 significant digits; None for one that is not finite, which JSON lacks."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _keys(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """List the metrics of the rows, in the order in which they appear."""
    return list(
        dict.fromkeys(
            key
            for row in rows
            for key, value in row.items()
            if key not in _NO_METRICS
            and isinstance(value, (int, float))
            and not isinstance(value, bool)
        )
    )


def _history(
    rows: Sequence[Mapping[str, Any]], thinned: float
) -> tuple[list[Any], dict[str, list[Any]]]:
    """Return the steps, and a column for each metric. Of `thinned` rows about one is kept; the
    first and the last always are."""
    if thinned > 1 and len(rows) > 20:
        kept = max(20, int(len(rows) / thinned))
        last = len(rows) - 1
        picked = sorted({round(i * last / (kept - 1)) for i in range(kept)})
        rows = [rows[i] for i in picked]
    step = next((key for key in _STEPS if rows and all(key in row for row in rows)), None)
    if step == "epoch":
        steps = [row["epoch"] + 1 for row in rows]  # as the terminal counts them
    else:
        steps = list(range(1, len(rows) + 1)) if step is None else [row[step] for row in rows]
    return steps, {key: [rounded(row.get(key)) for row in rows] for key in _keys(rows)}


def _end_of(log: Path | None, size: int) -> str | None:
    """Read the last `size` bytes of the log, from the start of a line; None where there is none."""
    if log is None:
        return None
    try:
        with log.open("rb") as file:
            whole = file.seek(0, 2)
            file.seek(max(0, whole - size))
            text = file.read(size)
    except OSError:
        return None
    if whole > size:
        text = text[text.find(b"\n") + 1 :] or text
    return text.decode(errors="replace").strip("\n")
