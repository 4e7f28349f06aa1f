"""The default sweep on the real MNIST: what a new user's first command does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commands import raysweep
from sweeps import stored

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mnist")


@pytest.fixture(scope="module")
def result(storage: Path, mnist_root: Path) -> dict[str, Any]:
    """About a minute where the CPU is fast at bf16, and several where it has AVX2 alone."""
    arguments = ("run", "--json", "--storage", storage)
    return raysweep(*arguments, timeout_s=840, RAYSWEEP_DATA=str(mnist_root))


def test_its_best_is_at_least_99_percent_right_on_the_test_split(result: dict[str, Any]) -> None:
    assert result["artifacts"].keys() == {"mnist-raw", "mnist-preprocess", "convnet"}
    assert result["trials"]["failed"] == 0
    assert result["test"]["accuracy"] >= 99.0


def test_the_artifacts_are_the_designs(result: dict[str, Any], storage: Path) -> None:
    tracker = stored(storage).tracker()
    raw, data, model = (tracker.artifact(n) for n in ("mnist-raw", "mnist-preprocess", "convnet"))
    assert raw.description == "Raw MNIST dataset, split into train/val/test"
    assert raw.metadata["source"] == "torchvision.datasets.MNIST"
    assert raw.metadata["sizes"] == [50_000, 10_000, 10_000]
    assert data.description == "Preprocessed MNIST dataset"
    assert (data.metadata["normalize"], data.metadata["expand_dims"]) == (True, True)
    assert model.description == "Simple AlexNet style CNN"
    splits = {"training.pt", "validation.pt", "test.pt", "metadata.json"}
    assert {file.path for file in raw.files} == {file.path for file in data.files} == splits
    assert {file.path for file in model.files} == {"initialized_model.pth", "metadata.json"}
    assert all(len(a.metadata["fingerprint"]) == 64 for a in (raw, data, model))


def test_a_second_sweep_would_reuse_the_three_stages(
    result: dict[str, Any], storage: Path, mnist_root: Path
) -> None:
    """That it does is shown on the digits, in tests/local_mode; here only the plan is cheap."""
    plan = raysweep("plan", "--json", "--storage", storage, RAYSWEEP_DATA=str(mnist_root))
    refs = {stage["name"]: stage["ref"] for stage in plan["stages"]}
    assert refs == {
        "load": "mnist-raw:v0",
        "preprocess": "mnist-preprocess:v0",
        "initialize": "convnet:v0",
    }
