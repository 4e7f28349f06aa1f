"""Every command, file and snippet of the README, in a new folder, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import wandb

from raysweep.arguments import parser

from commands import REPOSITORY
from ray_head import ray_head
from wandb_server import WandbServer, end, lent

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def in_wandb(command: str, server: WandbServer) -> str:
    """The command as a W&B user has it, who is logged in; the others see no key."""
    if "--tracker wandb" not in command and " sync " not in command:
        return command
    logged_in = server.environ() | {"no_proxy": "127.0.0.1"}
    return shlex.join(["env", *(f"{k}={v}" for k, v in logged_in.items())]) + f" {command}"


@pytest.mark.timeout(900)
def test_every_command_does_what_the_readme_says(tmp_path: Path) -> None:
    for shared in ("scripts", "configs", ".venv"):
        (tmp_path / shared).symlink_to(REPOSITORY / shared)
    (config,) = blocks("yaml")
    name = re.match(r"# (\S+\.yaml)\n", config)
    assert name is not None
    (tmp_path / name[1]).write_text(config, encoding="utf-8")
    (tmp_path / "snippet.py").write_text(blocks("python")[0], encoding="utf-8")
    commands = re.findall(r"^\$ (.+)$", "".join(blocks("console")), flags=re.MULTILINE)
    assert len(commands) >= 8
    # No network: the data sets are not there, and the digits stand in.
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    env = {**os.environ, **offline}
    env = {k: v for k, v in env.items() if not k.startswith("WANDB_")}
    with lent() as server, ray_head(tmp_path / "head.log") as address:
        commands = [in_wandb(command, server) for command in commands]
        script = "\n".join(["set -euxo pipefail", *commands, "python snippet.py"])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**env, "RAY_ADDRESS": address},
            capture_output=True,
            text=True,
        )
        project = wandb.Api().runs(f"{server.entity}/artifacts-example")
        states = {run.group: run.state for run in project}
    end()
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "my-model" / "trained_model.pth").is_file()
    assert "digits" in done.stderr
    assert "trained-model:v" in done.stdout
    assert "mine" in states, "what was synced"
    assert len(states) >= 2, "and what ran there"
    assert set(states.values()) == {"finished"}


def test_what_it_points_to_exists() -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_its_commands_parse() -> None:
    """Quicker than running them: an option that was renamed fails here first."""
    commands = re.findall(r"^\$ python -m raysweep (.+)$", README, flags=re.MULTILINE)
    assert commands
    for command in commands:
        assert parser().parse_args(shlex.split(command)).command
