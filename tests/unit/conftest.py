"""A tracker in this process, and a copy of one in which the three stages have run."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from raysweep.config import Config
from raysweep.stages.stages import StageOutcome
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity

from workshop import Workshop, digits_config, open_store, run_stages


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """The tests' networks are too small for two threads to gain anything."""
    torch.set_num_threads(1)


@pytest.fixture
def config() -> Config:
    return digits_config()


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    """An empty tracker in this process."""
    return open_store(tmp_path / "tracker")


@pytest.fixture
def sweep() -> SweepIdentity:
    return SweepIdentity("digits-test", "5ca1ab1e", ("a tag",))


@pytest.fixture(scope="session")
def staged_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[StageOutcome]]:
    root = tmp_path_factory.mktemp("staged") / "tracker"
    return root, run_stages(open_store(root), SweepIdentity("first", "f00d"), digits_config())


@pytest.fixture
def workshop(
    staged_store: tuple[Path, list[StageOutcome]], tmp_path: Path, sweep: SweepIdentity
) -> Workshop:
    """A copy of the store in which the stages have run: what a test does there stays there."""
    root, (_, preprocessed, initialized) = staged_store
    shutil.copytree(root, tmp_path / "workshop")
    tracker = open_store(tmp_path / "workshop")
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


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a folder that is not there yet; working copies lie below `tmp_path / "cache"`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return (tmp_path / "it's there, 100%").as_uri()
