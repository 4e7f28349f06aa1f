"""A kind of trials that is no training: a function yields rows, as long as it likes.

Nobody knows beforehand how many rows a trial has, nor which metrics are in them. There are no
stages, no models and no test score, and nothing of it imports torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from ray import cloudpickle

from raysweep.config import Config
from raysweep.trials.reports import TrialReport
from raysweep.trials.work import Evaluated, PlannedStage, Settings
from raysweep.trials.workloads import KINDS, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from raysweep.cluster.logs import Logs
    from raysweep.cluster.resources import Resources
    from raysweep.events import Observer, TrialUpdated
    from raysweep.search.spec import TrialSpec
    from raysweep.storage.journal import Journal
    from raysweep.storage.past import Past
    from raysweep.storage.reading import StoredSweep
    from raysweep.tracking import ArtifactVersion, Run, Tracker
    from raysweep.tracking.identity import SweepIdentity
    from raysweep.trials.context import TrialContext
    from raysweep.trials.progress import Progress

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker does not find the tests


def climb(rate: float) -> Iterator[dict[str, float]]:
    """A higher rate climbs faster, and longer: 4 rows at 0.1, 9 rows at 0.6."""
    for step in range(1, round(rate * 10) + 4):
        process = {
            "torch": float("torch" in sys.modules),
            "forked": float("raysweep.cluster.faststart.fork_server" in sys.modules),
        }
        yield {"reward": rate * step, "accuracy": rate, **process}


class RowsConfig(Config):
    """Any metric may be reported. The parameter is the built-in `learning_rate`."""

    @property
    def kind(self) -> str:
        return "rows"

    def goals(self) -> None:
        return None

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> RowsConfig:
        return cls.model_validate(dict(mapping))

    def __reduce__(self) -> tuple[Any, ...]:
        return RowsConfig.from_dict, (self.to_dict(),)


class RowsWork:
    """See Work."""

    def __init__(self, context: TrialContext, spec: TrialSpec, *, snapshots: bool) -> None:
        self._metric, self._sign = context.metric, 1 if context.goal == "maximize" else -1
        self._rate = spec.overrides["learning_rate"]
        self._rows = climb(self._rate)
        self._snapshots = snapshots
        self._reports: list[TrialReport] = []
        self._run: Run | None = None
        self.ended = False

    def run_config(self) -> Mapping[str, Any]:
        return {"rate": self._rate}

    def restore(self, state: bytes) -> Sequence[TrialReport]:
        for _ in range(json.loads(state)):
            self._see(next(self._rows))
        return tuple(self._reports)

    def start(self, run: Run) -> None:
        self._run = run

    def next(self, deadline_s: float) -> TrialReport | None:
        assert self._run is not None
        row = next(self._rows, None)
        if row is None:
            self.ended = True
            return None
        report = self._see(row)
        self._run.log(row, step=report.examples)
        self._run.flush()
        return report

    def snapshot(self) -> bytes | None:
        return json.dumps(len(self._reports)).encode() if self._snapshots else None

    @property
    def keeps_rows(self) -> bool:
        return False

    def offer_again(self, report: TrialReport) -> None:
        raise AssertionError("it offered nothing")

    def stop(self, grace_s: float) -> None:
        assert grace_s in (0.0, 1.5), "the workload says how long"

    def finish(self, *, stopped: bool) -> None:
        assert self._run is not None
        self._run.summarize({**(self._best or {}), "stopped": stopped})

    @property
    def _best(self) -> Mapping[str, float] | None:
        scored = [each.metrics for each in self._reports if self._metric in each.metrics]
        return max(scored, key=lambda row: self._sign * row[self._metric], default=None)

    def _see(self, row: Mapping[str, float]) -> TrialReport:
        count = len(self._reports) + 1
        self._reports.append(TrialReport(count, count - 1, row, None, last=False))
        self._reports[-1] = TrialReport(count, count - 1, row, self._best, last=False)
        return self._reports[-1]


class NoStages:
    """See Prepared."""

    data = None

    @staticmethod
    def versions(config: Config) -> dict[str, ArtifactVersion]:
        return {}

    def telling(self, observer: Observer) -> Observer:
        return observer

    def cached(self, observer: Observer) -> tuple[str, ...]:
        return ()


class Rows:
    """See Workload. `snapshots`: whether the state of a work can be taken, as a process's cannot
    be."""

    cannot_clone: str | None = "a row says nothing of the state that it came from"

    def __init__(self, *, snapshots: bool = True) -> None:
        self._snapshots = snapshots
        self.cannot_pause = None if snapshots else "its rows cannot be continued"

    def versions(self) -> dict[str, str]:
        return {"rows": "1.0"}

    def settings(self, config: Config, resources: Resources, past: Past) -> Settings:
        return Settings({"arithmetic": past.setting("arithmetic") or "decimal"})

    def grace_s(self, config: Config) -> float:
        return 1.5

    def check(self, config: Config) -> None: ...

    def check_here(self, config: Config) -> None: ...

    def check_sent(self, config: Config) -> None: ...

    def check_again(self, config: Config, past: Past, stored: StoredSweep) -> None: ...

    def planned(self, config: Config, tracker: Tracker | None) -> list[PlannedStage]:
        return []

    def absent(self, config: Config) -> None:
        return None

    def at_hand(self, config: Config) -> tuple[Config, None]:
        return config, None

    def send(self, config: Config) -> None: ...

    def pack(self, config: Config, folder: Path) -> Config:
        return config

    def unpacking(self, config: Config) -> None: ...

    def epochs_of(self, config: Config, values: Mapping[str, Any]) -> None:
        return None

    def most_epochs(self, config: Config) -> None:
        return None

    def keeps_best(self, winner: ArtifactVersion, holder: ArtifactVersion) -> None:
        return None

    def prepare(
        self,
        tracker: Tracker,
        sweep: SweepIdentity,
        config: Config,
        past: Past,
        journal: Journal,
        observer: Observer,
        logs: Logs,
    ) -> NoStages:
        return NoStages()

    def open(self, context: TrialContext, spec: TrialSpec) -> RowsWork:
        assert context.settings == {"arithmetic": "decimal"}
        return RowsWork(context, spec, snapshots=self._snapshots)

    def is_worth_another_process(self, error: BaseException) -> bool:
        return False

    def complete(self, context: TrialContext, resources: Resources, progress: Progress) -> None: ...

    def products(
        self, tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
    ) -> dict[int, str]:
        return {}

    def evaluating(self, config: Config) -> str | None:
        return None

    def evaluate(
        self,
        context: TrialContext,
        resources: Resources,
        trial: str,
        product: str | None,
        step: int,
    ) -> Evaluated:
        return Evaluated({}, promoted=False, reason="nothing is tagged", artifacts={}, file=None)


@contextmanager
def known(*, snapshots: bool = True) -> Iterator[None]:
    """Within it raysweep knows this kind of trials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "rows", Kind(lambda: Rows(snapshots=snapshots)))
        patch.setattr("raysweep.sweep.resume.Config", RowsConfig)
        yield


def rows_config(**sweep: Any) -> RowsConfig:
    """Six rates, the highest of which wins; `sweep` changes keys of the section."""
    section = {
        "method": "grid",
        "metric": {"name": "reward", "goal": "maximize"},
        "parameters": {"learning_rate": {"values": [0.5, 0.6, 0.4, 0.3, 0.2, 0.1]}},
        **sweep,
    }
    return RowsConfig.from_dict({"resources": {"cpus": 1}, "sweep": section})
