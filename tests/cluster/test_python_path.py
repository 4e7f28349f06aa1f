"""A checkout, and so its Python, may lie in a folder whose name a shell would take apart."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from sweeps import digits, grid


def test_a_python_whose_path_has_a_space_and_a_quote(tmp_path: Path) -> None:
    """Ray starts a trial's process through a shell; it died there, and the sweep waited."""
    venv = tmp_path / "it's a venv"
    venv.symlink_to(sys.prefix)
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]), train={"epochs": 1})))
    python = venv / "bin" / Path(sys.executable).name
    done = subprocess.run(
        [python, "-m", "raysweep", "run", config, "--storage", tmp_path / "runs"],
        env={**os.environ, "RAYSWEEP_DATA": os.devnull + "/none"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert "1 trial: 1 completed" in done.stderr
