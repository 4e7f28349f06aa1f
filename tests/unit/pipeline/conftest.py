"""A small sweep's inputs, made once: the three stages on the digits, in an in-process tracker."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysweep.config import Config, apply
from raysweep.pipeline import stages
from raysweep.pipeline.context import TrialContext
from raysweep.pipeline.stages import StageOutcome, SweepIdentity
from raysweep.pipeline.trial import TrialSession
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.embedded import TrackioTracker
from raysweep.tracking.trackio_store import TrackioStore

PROJECT = "artifacts-example"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The tests' networks are too small for two threads to gain anything."""
    torch.set_num_threads(1)


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


@pytest.fixture
def config() -> Config:
    return digits_config()


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    """An empty tracker in this process."""
    return TrackioTracker(TrackioStore(tmp_path / "tracker", PROJECT))


@pytest.fixture
def sweep() -> SweepIdentity:
    return SweepIdentity("digits-test", "5ca1ab1e", ("a tag",))


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
            sweep=self.sweep,
            tracker=self.tracker,
            config=config,
            data=self.data,
            model=lambda _: self.model,
            inputs=self.inputs,
            metric=metric.name,
            goal=metric.goal,
            threads=1,
        )
        return replace(context, **changes)

    def session(self, config: Config, name: str = "trial-0000", **changes: Any) -> TrialSession:
        """A trial with the first value of each swept parameter, and of the context's `changes`."""
        values = {key: each.at(0) for key, each in config.sweep.space().items()}
        return TrialSession(self.context(config, **changes), apply(config, values), name)

    def trained(self, config: Config, name: str = "trial-0000", **changes: Any) -> ArtifactVersion:
        """The model of such a trial, trained to its end."""
        session = self.session(config, name, **changes)
        session.step()
        while not session.done:
            session.step()
        return self.tracker.artifact(self.tracker.run(self.sweep.run_id(name)).logged[-1])


def run_stages(tracker: Tracker, sweep: SweepIdentity, config: Config) -> list[StageOutcome]:
    raw = stages.load(tracker, sweep, config)
    preprocessed = stages.preprocess(tracker, sweep, config, raw.artifact)
    model = config.model.model_dump(mode="json")
    return [raw, preprocessed, stages.initialize(tracker, sweep, model)]


@pytest.fixture(scope="session")
def staged_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StageOutcome]]:
    root = tmp_path_factory.mktemp("staged") / "tracker"
    tracker = TrackioTracker(TrackioStore(root, PROJECT))
    return root, run_stages(tracker, SweepIdentity("first", "f00d"), digits_config())


@pytest.fixture
def workshop(
    staged_store: tuple[Path, list[StageOutcome]], tmp_path: Path, sweep: SweepIdentity
) -> Workshop:
    """A copy of the store in which the stages have run: what a test does there stays there."""
    root, (_, preprocessed, initialized) = staged_store
    shutil.copytree(root, tmp_path / "workshop")
    tracker = TrackioTracker(TrackioStore(tmp_path / "workshop", PROJECT))
    inputs = tmp_path / "inputs"
    return Workshop(tracker, inputs, preprocessed.artifact, initialized.artifact, sweep)


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """make_config(train={"epochs": 1}): the small config, with these keys changed."""
    return digits_config


@pytest.fixture
def mini_mnist(tmp_path: Path) -> Path:
    """A root with a whole MNIST in miniature: 60 pictures to train and validate, 20 to test."""
    root = tmp_path / "a root's data"
    random = np.random.default_rng(0)
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, size in (("train", 60), ("t10k", 20)):
        images = random.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        labels = random.integers(0, 10, size, dtype=np.uint8)
        header = struct.pack(">IIII", 0x0803, size, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">II", 0x0801, size)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return root
