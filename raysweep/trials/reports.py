"""The report that a trial sends to its sweep's driver: after each epoch, or at any other time."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from raysweep.search.spec import BEST_SCORE, SCORE, TrialSpec


@dataclass(frozen=True)
class TrialReport:
    """One report of a trial. Its values are plain, so that a checkpoint and the journal can store
    it unchanged.

    epochs: how many reports the trial has made, this one included.
    examples: the step of the last row that the run logged before this report. The built-in
    training counts examples.
    metrics, best: the metrics of this report, and of the best report so far.
    last: whether it is the last one, where the trial knows that by then.
    Only in a population: `values` of the best epoch; `cloned`, the member from which the trial
    continues after this report; `member`, the checkpoint that it offered to the others.
    """

    epochs: int
    examples: int
    metrics: Mapping[str, float]
    best: Mapping[str, float] | None
    last: bool
    values: Mapping[str, Any] | None = None
    cloned: Mapping[str, Any] | None = None
    member: Mapping[str, Any] | None = None

    def to_text(self) -> str:
        """Return the report as one JSON text: Tune keeps 1 kB of statistics for each number in a
        result."""
        return json.dumps(self.plain())

    @staticmethod
    def from_text(text: str) -> TrialReport:
        """Parse what `to_text` returned."""
        return TrialReport(**json.loads(text))

    def plain(self) -> dict[str, Any]:
        """Return the fields as a dict; `TrialReport(**plain)` gives an equal report."""
        return asdict(self)

    @staticmethod
    def of(event: Mapping[str, Any]) -> TrialReport:
        """Return the report in a journal's `epoch` event."""
        return TrialReport(**{field.name: event[field.name] for field in fields(TrialReport)})


def result_of(spec: TrialSpec, report: TrialReport, metric: str) -> dict[str, Any]:
    """Return the result that Tune, its schedulers and its stopper see for a report. `metric`: the
    sweep's."""
    return {
        SCORE: report.metrics.get(metric, math.nan),
        BEST_SCORE: (report.best or {}).get(metric),
        "trial": spec.name,
        "epochs": report.epochs,
        "done": report.last,
        "report": report.to_text(),
    }


def silence_of(
    spec: TrialSpec, told: int, best: float | None, *, ended: bool = False
) -> dict[str, Any]:
    """Return a result without a report, which lets Tune stop a trial that is silent. Search,
    scheduler and progress ignore it.

    told: how many reports the driver has received. best: the best value of the sweep's metric in
    them. ended: no further report comes. (Not read from `done`: Tune sets that also where it stops
    the trial.)
    """
    at = {"trial": spec.name, "epochs": told}
    return {SCORE: math.nan, BEST_SCORE: best, **at, "silent": True, "ended": ended, "done": ended}
