"""The same scripts, on the endpoint and on the strict stand-in for W&B's server: the client reads
the same back from both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from wandb_server import end, lent
from wandb_server.sweeps import Sweep

OWN = Path(__file__).parent / "scripts"
SCRIPTS = OWN.parents[1] / "programs" / "scripts"

SWEEP = "5ca1ab1e"
OF_OURS = [OWN / f"{name}.py" for name in ("rows", "shown", "versions")]
OF_A_SWEEP = [
    SCRIPTS / f"{name}.py"
    for name in ("config_only", "context_manager", "init_at_import", "media", "artifacts")
]


@pytest.fixture(scope="module")
def told(behind: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is read back, by server and by who ran them."""
    folder = tmp_path_factory.mktemp("both")
    with lent() as server, ThreadPoolExecutor() as at_once:
        project = server.state.project_for_writing(None, "both")
        project.sweeps[SWEEP] = Sweep(project, SWEEP, {})
        environs = {"endpoint": behind.environ(), "stand-in": dict(os.environ)}
        asked = {
            name: at_once.submit(_tell, folder / name, environ)
            for name, environ in environs.items()
        }
        found = {name: each.result() for name, each in asked.items()}
    end()
    return {**found, "lines": list(behind.lines)}


def _tell(folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    folder.mkdir()
    values = folder / "values.yaml"
    values.write_text(yaml.safe_dump({"wandb_version": 1, "lr": {"value": 0.5}}))
    of_sweep = {"WANDB_SWEEP_ID": SWEEP, "WANDB_SWEEP_PARAM_PATH": str(values)}
    for told, scripts, more in (("", OF_A_SWEEP, of_sweep), ("told.json", OF_OURS, {})):
        done = subprocess.run(
            [sys.executable, str(OWN / "every.py"), told, *map(str, scripts)],
            cwd=folder,
            env={**environ, **more, "WANDB_PROJECT": "both", "WANDB_DIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "told.json").read_text())
    return found


def test_the_same_runs_are_kept(told):
    here, there = told["endpoint"]["runs"], told["stand-in"]["runs"]
    assert here.keys() == there.keys()
    unlike = {
        (name, part): (here[name][part], there[name][part])
        for name in here
        for part in here[name]
        if here[name][part] != there[name][part]
    }
    assert unlike == {}


def test_the_same_versions_are_kept(told):
    here, there = told["endpoint"]["artifacts"], told["stand-in"]["artifacts"]
    assert here.keys() == there.keys()
    for name in here:
        assert here[name] == there[name], name


def test_the_endpoint_knows_all_that_was_asked(told):
    assert told["lines"] == ["alert: a title: a text"]
