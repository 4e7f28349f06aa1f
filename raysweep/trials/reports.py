"""What a trial tells its sweep's driver at the end of an epoch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from raysweep.search.spec import BEST_SCORE, SCORE, TrialSpec


@dataclass(frozen=True)
class EpochReport:
    """Plain values, so that a checkpoint and the journal keep it as it is.

    `epochs` trained so far; `examples` seen by then; the epoch's metrics, and those of the best
    one so far; whether it was the `last`. In a population also the values of the best epoch, whom
    the trial goes on from as of now (`cloned`), and what it offered the others (`member`).
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
    def from_text(text: str) -> EpochReport:
        """Read `to_text` back."""
        return EpochReport(**json.loads(text))

    def plain(self) -> dict[str, Any]:
        """`EpochReport(**plain)` is the same again."""
        return asdict(self)

    @staticmethod
    def of(event: Mapping[str, Any]) -> EpochReport:
        """What the trial told in an event `epoch` of a journal."""
        return EpochReport(**{field.name: event[field.name] for field in fields(EpochReport)})


def result_of(spec: TrialSpec, report: EpochReport, metric: str) -> dict[str, Any]:
    """An epoch as Tune, its schedulers and its stopper see it. `metric`: the sweep's."""
    return {
        SCORE: report.metrics[metric],
        BEST_SCORE: (report.best or {}).get(metric),
        "trial": spec.name,
        "epochs": report.epochs,
        "done": report.last,
        "report": report.to_text(),
    }
