"""The numbers of a trial: of each row that its program logs, and of its run's summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysweep.selection import Goal, beats
from raysweep.trials.reports import TrialReport

_CHOSEN = ("min", "max", "mean", "best", "last")
"""Kinds of summary that `define_metric` takes."""


class Scores:
    """Turns what a run logs into reports: one for each row that has the sweep's metric, and one of
    its summary at the end, by which the trial is judged, as in W&B."""

    def __init__(self, metric: str, goal: Goal) -> None:
        """Without a metric (""), each row is a report, and what was logged last is the best."""
        self._metric = metric
        self._goal = goal
        self._count = 0
        self._best: dict[str, float] | None = None
        self._logged: dict[str, None] = {}

    def row(self, row: Mapping[str, Any]) -> TrialReport | None:
        """Return the report of a row; None where it has no number for the metric."""
        values = numbers(row)
        self._logged.update(dict.fromkeys(values))
        if not self._metric:
            self._best = {**(self._best or {}), **values}
        elif self._metric not in values:
            return None
        else:
            held = None if self._best is None else self._best[self._metric]
            if held is None or beats(values[self._metric], held, self._goal):
                self._best = values
        self._count += 1
        return TrialReport(self._count, self._count - 1, values, self._best, last=False)

    def summary(self, summary: Mapping[str, Any]) -> TrialReport | None:
        """Return the last report. It is no other row, so it counts none; None: no metric."""
        values = flat_summary(summary)
        self._logged.update(dict.fromkeys(values))
        if self._metric and self._metric not in values:
            return None
        count = max(self._count, 1)
        return TrialReport(count, count - 1, values, values, last=True)

    @property
    def logged(self) -> list[str]:
        """The names of all numbers so far."""
        return sorted(self._logged)


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a row; strings and media are kept by the tracker alone."""
    return {
        key: value
        for key, value in row.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and key[:1] != "_"
    }


def flat_summary(summary: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a summary, nested keys with dots. With `define_metric("loss",
    summary="min")` the client has `{"loss": {"min": 0.2}}`: that value is the metric's."""
    flat: dict[str, Any] = {}
    for key, value in summary.items():
        if not isinstance(value, Mapping):
            flat[f"{prefix}{key}"] = value
        elif "_type" not in value:
            flat |= flat_summary(value, f"{prefix}{key}.")
            chosen = [value[name] for name in _CHOSEN if name in value]
            if chosen:
                flat.setdefault(f"{prefix}{key}", chosen[0])
    return numbers(flat)
