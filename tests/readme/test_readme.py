"""Run every command, file and snippet of the README in a new folder, as a reader would type them.

The first is the default sweep: on the real MNIST, where that is there. Of the other pages, check
what can be checked without running it: links, commands, configs, names of tests and modules.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wandb

from raysweep.cli.arguments import parser
from raysweep.config import Config
from raysweep.config.yaml import parse_document

from commands import REPOSITORY, installed_command, mnist_folder, raysweep
from ray_head import ray_head
from sweeps import stored
from wandb_server import WandbServer, end, lent

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
NAMES = [page.relative_to(REPOSITORY).as_posix() for page in PAGES]


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def in_wandb(command: str, server: WandbServer) -> str:
    """The command as a W&B user has it, who is logged in; the others see no key."""
    if "--tracker wandb" not in command and " sync " not in command:
        return command
    logged_in = server.environ() | {"no_proxy": "127.0.0.1"}
    return shlex.join(["env", *(f"{k}={v}" for k, v in logged_in.items())]) + f" {command}"


@dataclass(frozen=True)
class Followed:
    """What a reader of the README has at its end: a folder, what was printed, runs in W&B."""

    folder: Path
    stdout: str
    stderr: str
    wandb_states: dict[str, str]

    def sweeps(self) -> Iterator[dict[str, Any]]:
        """What the sweeps came to, oldest first."""
        results = (self.folder / "runs").glob("*/result.json")
        for path in sorted(results, key=lambda path: path.stat().st_mtime):
            yield json.loads(path.read_text())


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("readme")
    for shared in ("scripts", "configs", ".venv"):
        (folder / shared).symlink_to(REPOSITORY / shared)
    (config,) = blocks("yaml")
    name = re.match(r"# (\S+\.yaml)\n", config)
    assert name is not None
    (folder / name[1]).write_text(config, encoding="utf-8")
    (folder / "snippet.py").write_text(blocks("python")[0], encoding="utf-8")
    commands = re.findall(r"^\$ (.+)$", "".join(blocks("console")), flags=re.MULTILINE)
    assert len(commands) >= 8
    # No network: what is not there cannot be downloaded, and the digits stand in.
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    env = {**os.environ, **offline}
    env = {k: v for k, v in env.items() if not k.startswith("WANDB_")}
    # Last on the path: only an environment that scripts/run did not make has none of its own.
    env["PATH"] += f"{os.pathsep}{installed_command(folder / 'bin').parent}"
    with lent() as server, ray_head(folder / "head.log") as address:
        commands = [on_mnist(in_wandb(command, server)) for command in commands]
        script = "\n".join(["set -euxo pipefail", *commands, "python snippet.py"])
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env={**env, "RAY_ADDRESS": address},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        project = wandb.Api().runs(f"{server.entity}/artifacts-example")
        states = {run.group: run.state for run in project}
    end()
    return Followed(folder, done.stdout, done.stderr, states)


def on_mnist(command: str) -> str:
    """The first command, which trains on MNIST, where it is there. (One core with fast bf16 takes
    half a minute, one with AVX2 alone two.)"""
    folder = mnist_folder()
    if command != "./scripts/run" or folder is None:
        return command
    return shlex.join(["env", f"RAYSWEEP_DATA={folder}", command])


@pytest.mark.timeout(900)
def test_every_command_does_what_the_readme_says(followed: Followed) -> None:
    assert (followed.folder / "my-model" / "trained_model.pth").is_file()
    assert "digits" in followed.stderr
    assert "trained-model:v" in followed.stdout
    assert "mine" in followed.wandb_states, "what was synced"
    assert len(followed.wandb_states) >= 2, "and what ran there"
    assert set(followed.wandb_states.values()) == {"finished"}


@pytest.mark.timeout(900)
def test_the_first_commands_best_is_at_least_99_percent_right_on_mnist(
    followed: Followed, mnist_root: Path
) -> None:
    result = next(followed.sweeps())
    assert result["artifacts"].keys() == {"mnist-raw", "mnist-preprocess", "convnet"}
    assert result["trials"]["failed"] == 0
    assert result["test"]["accuracy"] >= 99.0


@pytest.mark.timeout(900)
def test_mnists_artifacts_are_the_designs(followed: Followed, mnist_root: Path) -> None:
    sweep = next(followed.sweeps())["sweep"]
    tracker = stored(followed.folder / "runs", sweep).tracker()
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
    tracker.close()


@pytest.mark.timeout(900)
def test_a_second_sweep_on_mnist_would_reuse_the_three_stages(
    followed: Followed, mnist_root: Path
) -> None:
    """That it does is shown on the digits, in tests/local_mode; here only the plan is cheap."""
    storage = ("--storage", followed.folder / "runs")
    plan = raysweep("plan", "--json", *storage, RAYSWEEP_DATA=str(mnist_root))
    refs = {stage["name"]: stage["ref"] for stage in plan["stages"]}
    assert refs == {
        "load": "mnist-raw:v0",
        "preprocess": "mnist-preprocess:v0",
        "initialize": "convnet:v0",
    }


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_its_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)\s]*)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether a page's relative link names a file, and a heading of it where it names one."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not anchor:
        return target.exists()
    return target.is_file() and anchor in anchors(target.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_tests_and_modules_that_it_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tests = re.findall(r"`(tests/[^`]+)`", text)
    assert [name for name in tests if not (REPOSITORY / name).exists()] == []
    modules = {f"/{path.relative_to(REPOSITORY)}" for path in REPOSITORY.glob("[crst]*/**/*.py")}
    named = re.findall(r"`(?!my_)([\w/]+\.py)\b", text)
    lost = [name for name in named if not any(path.endswith(f"/{name}") for path in modules)]
    assert [name for name in lost if not (page.parent / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_its_commands_parse(page: Path) -> None:
    """Quicker than running them: an option that was renamed fails here first."""
    text = page.read_text(encoding="utf-8")
    for command in re.findall(r"^\$ (?:python -m )?raysweep (.+)$", text, flags=re.MULTILINE):
        assert parser().parse_args(shlex.split(command)).command
    for script in re.findall(r"^\$ \./(scripts/\w+)", text, flags=re.MULTILINE):
        assert (REPOSITORY / script).is_file()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_its_configs_are_ones(page: Path) -> None:
    for block in blocks("yaml", page.read_text(encoding="utf-8")):
        Config.from_dict(parse_document(block, page.name).value)


def test_the_readme_is_short_and_has_something_to_try() -> None:
    assert len(README.splitlines()) <= 150
    assert all(blocks(language) for language in ("console", "yaml", "python"))
    guides = [page for page in PAGES if page.parent.name == "docs"]
    tried = [page.name for page in guides if blocks("console", page.read_text(encoding="utf-8"))]
    assert tried == [page.name for page in guides], "each says at least one command"


def test_each_line_on_reliability_names_its_test() -> None:
    page = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
    _, _, *rows = re.findall(r"^\|.+\|$", page, flags=re.MULTILINE)
    assert len(rows) >= 15
    assert [row for row in rows if "`tests/" not in row.split("|")[3]] == []


def test_every_room_is_on_the_map_and_has_its_page() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    mapped = dict(
        re.findall(r"^\| `(raysweep/\w+)` .*\((docs/design/\w+\.md)\)", text, re.MULTILINE)
    )
    rooms = (path.parent for path in (REPOSITORY / "raysweep").glob("*/__init__.py"))
    assert mapped.keys() == {f"raysweep/{room.name}" for room in rooms}
