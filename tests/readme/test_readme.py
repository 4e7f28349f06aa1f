"""Every command, file and snippet of the README, in a new folder, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from raysweep.arguments import parser

from commands import REPOSITORY
from ray_head import ray_head

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(600)
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
    env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    script = "\n".join(["set -euxo pipefail", *commands, "python snippet.py"])
    with ray_head(tmp_path / "head.log") as address:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**env, "RAY_ADDRESS": address},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "my-model" / "trained_model.pth").is_file()
    assert "digits" in done.stderr
    assert "trained-model:v" in done.stdout


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
