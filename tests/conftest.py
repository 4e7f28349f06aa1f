"""What every test may ask for."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import mnist_folder

# Two tests at a time have more threads than there are CPUs: one that waits for another is not to
# keep a CPU busy meanwhile. Read when torch is imported, here and in what a test starts.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Where a sweep marks that it runs: what runs on this machine besides is no matter of the tests'.
_marks = tempfile.TemporaryDirectory(prefix="raysweep-tests-")
atexit.register(_marks.cleanup)
os.environ["XDG_RUNTIME_DIR"] = _marks.name


@pytest.fixture(scope="module", autouse=True)
def environment_of_its_own() -> Iterator[None]:
    """A module that starts Ray in this process sets what Ray reads from the environment; what the
    next module starts would inherit it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def no_one_elses_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own W&B key, data folder or Ray cluster must not steer a test."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "RAYSWEEP_DATA", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", os.devnull)


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder with the real MNIST files, as torchvision means it; skips where there is none."""
    root = mnist_folder()
    if root is None:
        pytest.skip("the real MNIST is not here; RAYSWEEP_TEST_DATA names its folder")
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: another worker does the rest meanwhile."""
    items.sort(key=lambda item: item.path.parent.name != "readme")
