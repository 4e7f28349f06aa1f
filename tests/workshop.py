"""A small sweep's inputs: the three stages on the digits, and trials over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raysweep.config import Config
from raysweep.search.spec import TrialSpec
from raysweep.stages import stages
from raysweep.stages.stages import StageOutcome
from raysweep.stages.versions import FixedVersions
from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.trials.context import TrialContext
from raysweep.trials.training.work import TrainingWork
from raysweep.trials.training.workload import Training
from raysweep.trials.trial import TrialSession

PROJECT = "artifacts-example"


def open_store(root: Path) -> Tracker:
    """The tracker of the store in `root`, in this process."""
    return TrackioTracker(TrackioStore(root, PROJECT))


def digits_config(**sections: dict[str, Any]) -> Config:
    """Three epochs of a tiny network; `train={"epochs": 1}` changes a key of a section."""
    mapping: dict[str, dict[str, Any]] = {
        "data": {"dataset": "digits", "train_size": 1200},
        "model": {"hidden_layer_sizes": [4, 8]},
        "train": {
            "epochs": 3,
            "batch_size": 128,
            "schedule": "none",
            "precision": "fp32",
            "batch_log_interval": 4,
        },
        "sweep": {"method": "grid", "parameters": {"learning_rate": {"values": [0.01, 0.03]}}},
    }
    for name, section in sections.items():
        mapping[name] = mapping.get(name, {}) | section
    return Config.from_dict(mapping)


@dataclass(frozen=True)
class Workshop:
    """A tracker in which the stages have run, and a folder for what trials download."""

    tracker: Tracker
    inputs: Path
    data: ArtifactVersion
    model: ArtifactVersion
    sweep: SweepIdentity

    def context(self, config: Config, **changes: Any) -> TrialContext:
        metric = config.sweep.metric
        context = TrialContext(
            workload=Training(),
            sweep=self.sweep,
            tracker=self.tracker,
            config=config,
            versions=FixedVersions({"data": self.data, "model": self.model}),
            inputs=self.inputs,
            metric=metric.name,
            goal=metric.goal,
            threads=1,
            gpus=0,
            checkpoints=CheckpointFolder(self.inputs.with_name("checkpoints")),
        )
        return replace(context, **changes)

    def session(self, config: Config, name: str = "trial-0000", **changes: Any) -> TrialSession:
        """A trial with the first value of each swept parameter, and of the context's `changes`."""
        values = {key: each.at(0) for key, each in config.sweep.space().items()}
        return TrialSession(self.context(config, **changes), spec_of(name, values))

    def trained(self, config: Config, name: str = "trial-0000", **changes: Any) -> ArtifactVersion:
        """The model of such a trial, trained to its end."""
        session = self.session(config, name, **changes)
        session.step()
        while not session.done:
            session.step()
        return self.tracker.artifact(self.tracker.run(self.sweep.run_id(name)).logged[-1])


def spec_of(name: str, values: Mapping[str, Any], **given: Any) -> TrialSpec:
    """The trial `trial-0003`, say."""
    return TrialSpec(int(name.rpartition("-")[2]), values, **given)


def training(session: TrialSession) -> TrainingWork:
    """What the trial does, once it has been opened."""
    assert isinstance(session.work, TrainingWork)
    return session.work


def run_stages(tracker: Tracker, sweep: SweepIdentity, config: Config) -> list[StageOutcome]:
    raw = stages.load(tracker, sweep, config)
    preprocessed = stages.preprocess(tracker, sweep, config, raw.artifact)
    return [raw, preprocessed, stages.initialize(tracker, sweep, config)]
