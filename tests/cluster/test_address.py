"""A cluster that is running already, and one that is started for the sweep alone."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from commands import raysweep
from sweeps import digits, grid


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """`HOST:PORT` of a Ray head node of our own, ended afterwards with all its processes."""
    ray = Path(sys.executable).with_name("ray")
    log = tmp_path / "head.log"
    with log.open("w") as out, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temp:
        head = [
            *(ray, "start", "--head", "--block", "--port=0", "--num-cpus=2"),
            *("--include-dashboard=false", f"--temp-dir={temp}"),
        ]
        with subprocess.Popen(head, stdout=out, stderr=out) as process:
            try:
                yield _wait_for_address(process, log)
            finally:
                process.terminate()
                process.wait(30)


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        if found := re.search(r"address='([\d.:]+)'", log.read_text()):
            return found[1]
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(log.read_text())


def test_a_running_cluster_is_joined_and_left_running(address: str, tmp_path: Path) -> None:
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01, 0.003]))))
    for name in ("first", "second"):
        result = raysweep(
            *("run", config, "--address", address, "--name", name, "--json"),
            *("--storage", tmp_path / "runs"),
        )
        assert result["trials"]["completed"] == 2
    assert result["cached_stages"] == ["load", "preprocess", "initialize"]
