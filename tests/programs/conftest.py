"""Trials of programs without Ray: a session over a real endpoint, a real store and real scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from raysweep.cluster.logs import Logs, NoLogs
from raysweep.config import Config
from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.port import RunRecord
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.trials.context import TrialContext
from raysweep.trials.program.workload import Program
from raysweep.trials.reports import TrialReport
from raysweep.trials.trial import TrialSession

from workshop import spec_of


@dataclass
class Programs:
    """A folder of the user's with scripts, and a tracker. `reports` are those of the last trial."""

    root: Path
    reports: list[TrialReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = self.root / "user's folder"
        self.folder.mkdir()
        self.tracker = TrackioTracker(TrackioStore(self.root / "tracker", "mine"))
        self.sweep = SweepIdentity("climbs", "5ca1ab1e", ())

    def write(self, text: str, name: str = "train.py") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def config(self, settings: Mapping[str, Any] | None = None, /, **sweep: Any) -> Config:
        """Of `train.py`, with a parameter `lr`, unless `sweep` says otherwise."""
        section = {
            "program": "train.py",
            "method": "grid",
            "metric": {"name": "loss"},
            "parameters": {"lr": {"values": [0.5]}},
            **sweep,
        }
        given = {"directory": str(self.folder), "grace_s": 20, **(settings or {})}
        return Config.from_dict({"program": given, "sweep": section})

    def session(
        self,
        config: Config,
        name: str = "trial-0000",
        told: int | None = None,
        logs: Logs | None = None,
        **values: Any,
    ) -> TrialSession:
        metric = config.sweep.metric
        context = TrialContext(
            sweep=self.sweep,
            tracker=self.tracker,
            config=config,
            versions=lambda _: {},
            inputs=self.root / "sweep" / "inputs",
            metric=metric.name,
            goal=metric.goal,
            threads=1,
            gpus=0,
            checkpoints=CheckpointFolder(self.root / "checkpoints"),
            logs=logs or NoLogs(),
        )
        first = {key: each.at(0) for key, each in config.sweep.space().items()}
        return TrialSession(Program(), context, spec_of(name, {**first, **values}, told=told))

    def run(self, config: Config, name: str = "trial-0000", **values: Any) -> TrialReport:
        """Step a trial to its end; its last report."""
        session = self.session(config, name, **values)
        self.reports.clear()
        while not session.done:
            if session.advance(1.0):
                self.reports.append(session.report)
        return session.report

    def record(self, name: str = "trial-0000") -> RunRecord:
        return self.tracker.run(self.sweep.run_id(name))

    def rows(self, name: str = "trial-0000") -> list[dict[str, Any]]:
        return self.tracker.history(self.sweep.run_id(name))

    def trial_folder(self, name: str = "trial-0000") -> Path:
        return self.root / "sweep" / "inputs" / "trials" / name


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Programs]:
    """What wandb keeps besides runs goes into the test's folder."""
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / f"wandb-{name.lower()}"))
    assert sys.platform == "linux"
    yield Programs(tmp_path)
