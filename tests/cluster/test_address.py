"""A cluster that is running already is joined, and left running."""

from __future__ import annotations

from pathlib import Path

import yaml

from commands import raysweep
from ray_head import ray_head
from sweeps import digits, grid


def test_two_sweeps_after_each_other_on_one_cluster(tmp_path: Path) -> None:
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]), train={"epochs": 1})))
    with ray_head(tmp_path / "head.log") as address:
        for name in ("first", "second"):
            result = raysweep(
                *("run", config, "--address", address, "--name", name, "--json"),
                *("--storage", tmp_path / "runs"),
            )
            assert result["trials"]["completed"] == 1
    assert result["cached_stages"] == ["load", "preprocess", "initialize"]
