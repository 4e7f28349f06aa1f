"""What a trial reports to its sweep's driver: at the end of an epoch, or whenever it likes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from raysweep.search.spec import BEST_SCORE, SCORE, TrialSpec


@dataclass(frozen=True)
class TrialReport:
    """Plain values, so that a checkpoint and the journal keep it as it is.

    `epochs`: how many reports there were so far, itself among them; `examples`: the step of the
    run's rows that it ends with (the built-in training's counts examples); its metrics, and those
    of the best report so far; whether it is the `last`, where that is known by then. In a
    population also the values of the best epoch, whom the trial goes on from as of now (`cloned`),
    and what it offered the others (`member`).
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
        """As one text: of each number that a result has, Tune keeps statistics, 1 kB each."""
        return json.dumps(self.plain())

    @staticmethod
    def from_text(text: str) -> TrialReport:
        """Read `to_text` back."""
        return TrialReport(**json.loads(text))

    def plain(self) -> dict[str, Any]:
        """`TrialReport(**plain)` is the same again."""
        return asdict(self)

    @staticmethod
    def of(event: Mapping[str, Any]) -> TrialReport:
        """What the trial told in an event `epoch` of a journal."""
        return TrialReport(**{field.name: event[field.name] for field in fields(TrialReport)})


def result_of(spec: TrialSpec, report: TrialReport, metric: str) -> dict[str, Any]:
    """A report as Tune, its schedulers and its stopper see it. `metric`: the sweep's."""
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
    """A result without a report: so Tune hears of a trial that is silent, and can stop it. Search,
    scheduler and progress pass over it. `told`: how many reports there were; `best`: the best value
    of the sweep's metric in them; `ended`: no other comes. (Tune sets `done` in a result also where
    it stops the trial.)"""
    at = {"trial": spec.name, "epochs": told}
    return {SCORE: math.nan, BEST_SCORE: best, **at, "silent": True, "ended": ended, "done": ended}
