"""A work that is silent and gives no snapshot: the next process makes its reports again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raysweep.config import Config
from raysweep.search.spec import BEST_SCORE
from raysweep.tracking import Run
from raysweep.trials.context import TrialContext
from raysweep.trials.reports import TrialReport
from raysweep.trials.trainable import TrialTrainable

from workshop import Workshop, spec_of

METRIC = "validation/accuracy"


class Slow:
    """A work that reports `reports` times and then stays silent."""

    ended = False

    def __init__(self, reports: int) -> None:
        self._left = reports
        self._count = 0

    def run_config(self) -> Mapping[str, float]:
        return {}

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        raise AssertionError("it gave no state")

    def start(self, run: Run) -> None:
        """It logs nothing."""

    def next(self, deadline_s: float) -> TrialReport | None:
        if self._count == self._left:
            return None
        self._count += 1
        metrics = {METRIC: float(self._count)}
        return TrialReport(self._count, self._count, metrics, metrics, last=False)

    def snapshot(self) -> None:
        return None

    @property
    def keeps_rows(self) -> bool:
        return False

    def offer_again(self, report: TrialReport) -> None:
        raise AssertionError("it offered nothing")

    def stop(self, grace_s: float) -> None:
        """Nothing runs."""

    def finish(self, *, stopped: bool) -> None:
        """It logs nothing."""


@dataclass(frozen=True)
class Workload:
    reports: int

    def open(self, context: TrialContext, spec: object) -> Slow:
        return Slow(self.reports)

    def is_worth_another_process(self, error: BaseException) -> bool:
        return False

    def grace_s(self, config: Config) -> float:
        return 0.0


def step(workshop: Workshop, config: Config, reports: int) -> Mapping[str, object]:
    """Return the first result in a second process, after the driver received two reports."""
    trainable = TrialTrainable.__new__(TrialTrainable)
    spec = spec_of("trial-0000", {}, told=2)
    workload: object = Workload(reports)
    trainable.setup(spec.to_config(), workload, workshop.context(config))  # type: ignore[arg-type]
    found = trainable.step()
    trainable.cleanup()
    return found


def test_silence_while_reports_are_made_again_fails_no_trial(
    workshop: Workshop, config: Config
) -> None:
    none = step(workshop, config, reports=0)
    assert (none.get("failed"), none["silent"], none[BEST_SCORE]) == (None, True, None)
    one = step(workshop, config, reports=1)
    assert (one.get("failed"), one["silent"], one[BEST_SCORE]) == (None, True, 1.0)
    assert one["epochs"] == 2
