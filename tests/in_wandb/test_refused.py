"""W&B that cannot be had at the start: one line, in time, and nothing half made."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from commands import call
from wandb_server import WandbServer, faults

SLOW_S = 10
"""What the command itself may take beside the wait: importing the client, on a busy machine."""


def refused(cwd: Path, *arguments: object, **env: str) -> str:
    """The one line of a refusal within 15 s that leaves nothing behind."""
    began = time.monotonic()
    done = call(*arguments, cwd=cwd, **env)
    assert time.monotonic() - began < 15 + SLOW_S
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert list(cwd.iterdir()) == []
    return done.stderr


def test_no_server(server: WandbServer, tmp_path: Path) -> None:
    with server.away():
        line = refused(tmp_path, "run", "--tracker", "wandb")
    assert "W&B project artifacts-example: cannot connect: " in line
    assert "check the connection, WANDB_BASE_URL and the key, or use --tracker trackio" in line


def test_a_server_that_does_not_answer(server: WandbServer, tmp_path: Path) -> None:
    server.inject("Viewer", faults.hang(30), times=1)
    assert "cannot connect: " in refused(tmp_path, "run", "--tracker", "wandb")


def test_a_wrong_key(server: WandbServer, tmp_path: Path) -> None:
    wrong = "0123456789" * 4
    line = refused(tmp_path, "run", "--tracker", "wandb", WANDB_API_KEY=wrong)
    assert "invalid API key" in line
    assert wrong not in line


def test_a_project_that_wandbs_variable_names_wrongly(server: WandbServer, tmp_path: Path) -> None:
    line = refused(tmp_path, "run", WANDB_PROJECT="my.model")
    assert line.startswith("raysweep: WANDB_PROJECT: 'my.model' is not a valid project name")


def test_disabled(server: WandbServer, tmp_path: Path) -> None:
    line = refused(tmp_path, "run", "--tracker", "wandb", WANDB_MODE="disabled")
    assert "WANDB_MODE is disabled; unset it, set it to offline, or use --tracker trackio" in line


@pytest.mark.parametrize("name", [[], ["mine"]])
def test_nothing_to_sync(server: WandbServer, tmp_path: Path, name: list[str]) -> None:
    assert "start one with `python -m raysweep run" in refused(tmp_path, "sync", *name)
