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
        if not prefix and key in ("_timestamp", "_runtime", "_wandb"):
            continue
        if isinstance(value, dict) and "_type" not in value:
            found |= flat(value, f"{prefix}{key}.")
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
        "summary": flat(dict(run.summary_metrics)),
        "about": (sorted(run.tags), run.notes, run.group, run.job_type),
        "files": shas,
        "metrics": raw["m"],
        "charts": {key: chart["panelDefId"] for key, chart in charts.items()},
        "used": [a.name for a in run.used_artifacts()],
        "logged": sorted(
            (a.type, a.name.partition(":")[0].replace(run.id, "ID"), str(a.metadata))
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
    """What a sweep said, and how old a row was when the server had it."""

    folder: Path
    ray: Path
    result: dict[str, Any]
    said: str
    row_age_s: float


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    """The script by itself, run `direct` of project `alone`; and a sweep of it in `programs`."""
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
        age_s = wait_for_a_row(server, "programs", process)
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
    yield Swept(folder, ray, json.loads(out), err, age_s)
    shutil.rmtree(ray)


def wait_for_a_row(server: WandbServer, project: str, process: subprocess.Popen[str]) -> float:
    """Wait until the server has a row of a trial; return how many seconds ago it was logged."""
    while process.poll() is None:
        there = server.state.project("tester", project)
        for run in there.runs_by_name.values() if there else ():
            if rows := run.rows:
                return time.time() - float(rows[-1]["_timestamp"])
        time.sleep(0.1)
    return math.inf


def trials(api: wandb.Api, project: str) -> list[Any]:
    """The runs of the project, by name."""
    api.flush()
    found = sorted(api.runs(f"tester/{project}"), key=lambda run: run.name)
    return [api.run("/".join(run.path)) for run in found]


def test_what_wandb_has_is_what_the_scripts_own_client_leaves_there(
    api: wandb.Api, swept: Swept
) -> None:
    direct = seen(api.run("tester/alone/direct"))
    first, second = trials(api, "programs")
    found = seen(second)
    for what, expected in direct.items():
        assert found[what] == expected, what
    assert [run.config["lr"] for run in (first, second)] == [2, 1]
    assert {run.name for run in (first, second)} == {"trial-0000-mine", "trial-0001-mine"}


def test_its_runs_belong_to_a_sweep_and_come_while_it_runs(
    server: WandbServer, api: wandb.Api, swept: Swept
) -> None:
    assert swept.row_age_s < 15, "by itself the client sends rows after 15 s"
    assert swept.result["unsent"] == []
    (sweep,) = {run.sweep_name for run in trials(api, "programs")}
    assert swept.result["links"]["sweep"].endswith(sweep)
    project = server.state.project("tester", "programs")
    assert project is not None
    page = project.sweeps[sweep].config
    assert page["program"] == "train.py"
    assert page["parameters"] == {"lr": {"values": [2, 1]}}
    best = api.artifact("tester/programs/net:best")
    assert {"best", "best-mine"} <= set(best.aliases)
    assert best.logged_by().config["lr"] == 1
    assert swept.result["best"]["artifact"] == f"net:{best.version}"
    assert {run.id for run in api.artifact("tester/programs/numbers:small").used_by()} == {
        run.id for run in trials(api, "programs")
    }


def test_what_a_program_prints_is_shown(server: WandbServer, swept: Swept) -> None:
    project = server.state.project("tester", "programs")
    assert project is not None
    for run in project.runs_by_name.values():
        assert any("printed by the script" in line for line in run.lines("output.log"))


def test_the_users_key_is_nowhere(server: WandbServer, swept: Swept) -> None:
    assert server.api_key not in swept.said
    assert files_with(server.api_key, [swept.folder, swept.ray]) == []
    assert files_with("printed by the script", [swept.folder]) != []


def test_a_server_that_goes_away_costs_the_sending_and_sync_brings_the_rest(
    server: WandbServer, api: wandb.Api, swept: Swept, tmp_path: Path
) -> None:
    process = start(
        *("run", "sweep.yaml", "--tracker", "wandb", "--name", "cut", "--json", "--local-mode"),
        *("--storage", tmp_path / "runs", "--set", "tracking.project=lost-program"),
        *("--set", "sweep.parameters.lr.values=[1]"),
        cwd=user_folder(tmp_path / "user"),
        ROW_S="1.5",
    )
    assert wait_for_a_row(server, "lost-program", process) < math.inf
    with server.away():
        out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["trials"]["completed"] == 1
    assert result["unsent"] == ["trial-0000-cut"]
    assert result["best"]["artifact"].startswith("net:local-")
    assert_synced(api, "lost-program", tmp_path)


def test_a_sweep_that_ran_offline_is_brought_whole(
    server: WandbServer, api: wandb.Api, swept: Swept, tmp_path: Path
) -> None:
    done = call(
        *("run", "sweep.yaml", "--name", "cut", "--json", "--local-mode"),
        *("--storage", tmp_path / "runs", "--set", "tracking.project=offline-program"),
        *("--set", "sweep.parameters.lr.values=[1]"),
        cwd=user_folder(tmp_path / "user"),
        WANDB_MODE="offline",
    )
    assert done.returncode == 0, done.stderr
    assert_synced(api, "offline-program", tmp_path)
    project = server.state.project("tester", "offline-program")
    assert project is not None
    (run,) = project.runs_by_name.values()
    assert sum("printed by the script" in line for line in run.lines("output.log")) == 1


def assert_synced(api: wandb.Api, project: str, folder: Path) -> None:
    """`sync` brings the whole run, and the second time nothing."""
    synced = raysweep("sync", "--storage", folder / "runs", "--json", cwd=folder)
    assert len(synced["runs"]["sent"]) == 1
    direct = seen(api.run("tester/alone/direct"))
    (run,) = trials(api, project)
    found = seen(run)
    for what, expected in direct.items():
        assert found[what] == expected, what
    best = api.artifact(f"tester/{project}/net:best")
    assert {"best", "best-cut", "final", "latest"} == set(best.aliases)
    again = raysweep("sync", "--storage", folder / "runs", "--json", cwd=folder)
    assert again["runs"]["sent"] == again["aliases"] == []
