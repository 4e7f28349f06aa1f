"""A sweep joins a running cluster, sends it the user's own modules, and leaves it running."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from commands import raysweep
from ray_head import UNSHARED, ray_head
from sweeps import digits, grid

NETWORK = """
from torch import nn

def linear(width: int = 8) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
"""


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    """Make a folder with a network, which the cluster's processes see as empty."""
    folder = tmp_path / "laptop"
    folder.mkdir()
    (folder / "linear_network.py").write_text(NETWORK)
    listed = subprocess.run([*UNSHARED, folder, "ls", folder], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"no file systems of one's own here: {listed.stderr.strip()}")
    assert listed.stdout == ""
    return folder


def test_two_sweeps_after_each_other_on_one_cluster(tmp_path: Path, unseen: Path) -> None:
    config = unseen / "grid.yaml"
    sweep = digits(grid(learning_rate=[0.01]), train={"epochs": 1})
    config.write_text(yaml.safe_dump({**sweep, "model": {"target": "linear_network:linear"}}))
    with ray_head(tmp_path / "head.log", unseen) as address:
        for name in ("first", "second"):
            result = raysweep(
                *("run", config, "--address", address, "--name", name, "--json"),
                *("--storage", tmp_path / "runs"),
            )
            assert result["trials"]["completed"] == 1
    assert result["artifacts"].keys() == {"digits-raw", "digits-preprocess", "linear"}
    assert result["cached_stages"] == ["load", "preprocess", "initialize"]
