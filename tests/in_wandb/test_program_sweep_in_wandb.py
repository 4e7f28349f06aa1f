"""A sweep of a program in W&B, beside what the same script leaves there under its own client."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb_sweep_watch import files_with

from commands import call, raysweep, start
from wandb_server import WandbServer, lent

SCRIPT = Path(__file__).parent / "programs_train.py"
SWEEP = """
program: train.py
method: grid
metric: {name: loss, goal: minimize}
parameters:
  lr: {values: [2, 1]}
"""
OWN_FILES = {"wandb-metadata.json", "requirements.txt", "wandb-summary.json", "config.yaml"}
"""Files in which each run differs: times, paths and commands."""


def user_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SCRIPT, folder / "train.py")
    (folder / "sweep.yaml").write_text(SWEEP)
    return folder


def alone(folder: Path, project: str, run_id: str) -> None:
    """Run the script by itself: its client talks to the server directly."""
    subprocess.run(
        [sys.executable, "train.py"],
        cwd=user_folder(folder),
        env={**os.environ, "WANDB_PROJECT": project, "WANDB_RUN_ID": run_id},
        check=True,
        capture_output=True,
    )


def media_of(value: Any) -> Any:
    """Media without what differs each time: names of files, and ids of artifacts."""
    if not isinstance(value, dict):
        return "NaN" if isinstance(value, float) and math.isnan(value) else value
    random = {"path", "artifact_path", "_latest_artifact_path"}
    return {key: media_of(each) for key, each in value.items() if key not in random}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and "_type" not in value:
            found |= flat(value, f"{prefix}{key}.")
        elif not prefix and key in ("_timestamp", "_runtime", "_wandb"):
            continue
        else:
            found[f"{prefix}{key}"] = media_of(value)
    return found


def seen(run: Any) -> dict[str, Any]:
    """What a user sees of a run through the public API."""
    files = {file.name: file for file in run.files()}
    own = {name: file for name, file in files.items() if name not in {*OWN_FILES, "output.log"}}
    shas = sorted((name.split("_")[0], file.size, file.md5) for name, file in own.items())
    raw = run.rawconfig["_wandb"]
    charts = {key: chart["panel_config"] for key, chart in raw.get("visualize", {}).items()}
    return {
        "state": run.state,
        "config": {key: value for key, value in run.config.items() if key != "lr"},
        "rows": [flat(row) for row in run.scan_history()],
        "summary": flat(dict(run.summary)),
        "about": (sorted(run.tags), run.notes, run.group, run.job_type),
        "files": shas,
        "metrics": raw["m"],
        "charts": {key: chart["panelDefId"] for key, chart in charts.items()},
        "used": [a.name for a in run.used_artifacts()],
        "logged": sorted(
            (a.type, a.name.partition(":")[0].replace(run.id, "ID"), a.digest, str(a.metadata))
            for a in run.logged_artifacts()
        ),
        "aliases": {
            a.name.partition(":")[0]: sorted(a.aliases)
            for a in run.logged_artifacts()
            if a.type == "dataset"
        },
        "entries": sorted(
            (path, entry.digest, entry.ref or "", entry.size)
            for a in run.logged_artifacts()
            if a.type == "dataset"
            for path, entry in a.manifest.entries.items()
        ),
    }


@dataclass(frozen=True)
class Swept:
    folder: Path
    result: dict[str, Any]
    said: str
    rows_s: float


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    folder = tmp_path_factory.mktemp("program")
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Ray's sockets lie in it
    with lent() as server:
        alone(folder / "alone", "alone", "direct")
        process = start(
            *("run", "sweep.yaml", "--tracker", "wandb", "--name", "mine", "--json"),
            *("--storage", folder / "runs", "--set", "resources.cpus=1"),
            *("--set", "tracking.project=programs"),
            cwd=user_folder(folder / "user"),
            RAY_TMPDIR=str(ray),
            ROW_S="2",
        )
        seen_s = watch_rows(server, process)
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
    yield Swept(folder, json.loads(out), err, seen_s)
    shutil.rmtree(ray)


def watch_rows(server: WandbServer, process: subprocess.Popen[str]) -> float:
    """Wait for a row of a running trial; how many seconds old it is when the server has it."""
    while process.poll() is None:
        project = server.state.project("tester", "programs")
        for run in project.runs_by_name.values() if project else ():
            rows = list(run.rows)
            if rows and run.state == "running":
                return time.time() - rows[-1]["_timestamp"]
        time.sleep(0.2)
    return math.inf


def trials(api: wandb.Api, project: str) -> list[Any]:
    return sorted(api.runs(f"tester/{project}", lazy=False), key=lambda run: run.name)


def test_what_wandb_has_is_what_the_scripts_own_client_leaves_there(
    api: wandb.Api, swept: Swept
) -> None:
    direct = seen(api.run("tester/alone/direct"))
    second = trials(api, "programs")[1]
    found = seen(second)
    assert second.config["lr"] == 1
    for what, expected in direct.items():
        assert found[what] == expected, what
