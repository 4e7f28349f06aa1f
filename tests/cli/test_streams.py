"""A command whose stdin, stdout or stderr is closed, full, or read by nobody: it does its work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from commands import environment
from sweeps import HAS_LOCAL_MODE, digits, grid

RUN = ("run", "sweep.yaml", "--local-mode", "--name", "mine")
PLAN = ("plan", "sweep.yaml")


def redirected(folder: Path, redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it with that redirection, in `folder`."""
    (folder / "sweep.yaml").write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]))))
    return subprocess.run(
        [
            "/bin/sh",
            "-c",
            f'"$@" {redirection}',
            "sh",
            sys.executable,
            "-m",
            "raysweep",
            *arguments,
        ],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-", "2>&1 | true"])
def test_a_sweep_that_cannot_tell_how_it_goes(tmp_path: Path, redirection: str) -> None:
    as_json = () if "|" in redirection else ("--json",)
    done = redirected(tmp_path, redirection, *RUN, *as_json)
    result = json.loads((tmp_path / "runs" / "mine" / "result.json").read_text())
    assert result["trials"]["completed"] == 1
    if as_json:
        assert done.returncode == 0
        assert json.loads(done.stdout) == result


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&-"])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_any_of_them_closed(tmp_path: Path, redirection: str, as_json: tuple[str, ...]) -> None:
    done = redirected(tmp_path, redirection, *PLAN, *as_json)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if as_json and ">&-" not in redirection.replace("2>&-", ""):
        assert json.loads(done.stdout)["trials"] == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_mistake_keeps_its_exit_code(tmp_path: Path, redirection: str) -> None:
    assert redirected(tmp_path, redirection, *PLAN, "--set", "train.epoch=3").returncode == 2
    assert redirected(tmp_path, redirection, "nonsense").returncode == 2


def test_a_full_stdout_is_told(tmp_path: Path) -> None:
    done = redirected(tmp_path, ">/dev/full", *PLAN, "--json")
    assert done.returncode == 1
    told = "raysweep: what it writes to: No space left on device; make room, and try again\n"
    assert done.stderr == told
