"""The command that hints name is the one that the caller can type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands import REPOSITORY, installed_command


def said(command: list[str], folder: Path, path: str) -> str:
    """What `list` of an empty folder says."""
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*command, "list"], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return done.stderr


@pytest.mark.parametrize(
    ("command", "on_path", "hint"),
    [
        (["/usr/bin/env", "raysweep"], True, "`raysweep run` starts one"),
        (["bin/raysweep"], False, "`bin/raysweep run` starts one"),
        ([sys.executable, "-m", "raysweep"], True, "`python -m raysweep run` starts one"),
    ],
)
def test_a_hint_names_what_was_called(
    tmp_path: Path, command: list[str], on_path: bool, hint: str
) -> None:
    folder = installed_command(tmp_path / "bin").parent
    usual = os.environ["PATH"]
    path = f"{folder}{os.pathsep}{usual}" if on_path else "/usr/bin:/bin"
    assert hint in said(command, tmp_path, path)


def test_help_names_it_too(tmp_path: Path) -> None:
    script = installed_command(tmp_path / "bin")
    env = {**os.environ, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["raysweep", "--help"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: raysweep [-h]")
