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
  number: {values: [1, 2]}
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
    if isinstance(value, list):
        return [media_of(each) for each in value]
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


def definitions(metrics: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What `define_metric` said; a step's metric is named by its place in the list, from 1."""
    steps = [metrics[each["5"] - 1]["1"] if "5" in each else "" for each in metrics]
    return sorted(
        (each.get("1") or each["2"], step, sorted(each["6"]), each["7"])
        for each, step in zip(metrics, steps, strict=True)
    )


def seen(run: Any) -> dict[str, Any]:
    """What a user sees of a run through the public API."""
    files = {file.name: file for file in run.files()}
    own = {name: file for name, file in files.items() if name not in {*OWN_FILES, "output.log"}}
    shas = sorted((name.split("_")[0], file.size, file.md5) for name, file in own.items())
    raw = run.rawconfig["_wandb"]
    charts = {key: chart["panel_config"] for key, chart in raw.get("visualize", {}).items()}
    return {
        "state": run.state,
        "config": {key: value for key, value in run.config.items() if key != "number"},
        "rows": [flat(row) for row in run.scan_history()],
        "summary": flat(dict(run.summary_metrics)),
        "about": (sorted(run.tags), run.notes, run.group, run.job_type),
        "files": shas,
        "metrics": definitions(raw["m"]),
        "charts": {key: chart["panelDefId"] for key, chart in charts.items()},
        "used": [a.name for a in run.used_artifacts() if a.name != "theirs:v0"],
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
        "tables": sorted(tables(run)),
    }


def tables(run: Any) -> list[tuple[str, list[tuple[str, str]], str]]:
    """The tables of rows: name, the other files of each by type and digest, and its content."""
    found = []
    for artifact in (each for each in run.logged_artifacts() if each.type == "run_table"):
        name = artifact.name.replace(run.id, "ID")
        entries = artifact.manifest.entries
        (table,) = [path for path in entries if path.endswith(".table.json")]
        content = json.loads(Path(artifact.get_entry(table).download()).read_text())
        media = sorted((Path(p).suffix, e.digest) for p, e in entries.items() if p != table)
        shown = {key: media_of(content[key]) for key in ("columns", "data", "column_types")}
        found.append((name, media, json.dumps(shown, sort_keys=True)))
    return found


@dataclass(frozen=True)
class Swept:
    """What a sweep said, how old a row was when the server had it, and what `sync` said then."""

    folder: Path
    ray: Path
    result: dict[str, Any]
    said: str
    row_age_s: float
    synced: dict[str, Any]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    """The script by itself, run `direct` of project `alone`; and a sweep of it in `programs`: the
    server goes away during its second trial."""
    folder = tmp_path_factory.mktemp("program")
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Ray's sockets lie in it
    with lent() as server:
        alone(folder / "alone", "alone", "direct")
        log_theirs(folder, "programs")
        process = start(
            *("run", "sweep.yaml", "--tracker", "wandb", "--name", "mine", "--json"),
            *("--storage", folder / "runs", "--set", "tracking.project=programs"),
            *("--set", "resources.max_concurrent=1"),
            cwd=user_folder(folder / "user"),
            RAY_TMPDIR=str(ray),
            ROW_S="1",
            THEIRS="1",
        )
        age_s = wait_for_a_row(server, 1, process)
        wait_for_a_row(server, 2, process)
        with server.away():
            out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
        synced = raysweep("sync", "--storage", folder / "runs", "--json", cwd=folder)
    yield Swept(folder, ray, json.loads(out), err, age_s, synced)
    shutil.rmtree(ray)


def wait_for_a_row(server: WandbServer, number: int, process: subprocess.Popen[str]) -> float:
    """Wait until the server has a row of so many trials; how many seconds ago it was logged."""
    while process.poll() is None:
        project = server.state.project("tester", "programs")
        runs = project.runs_by_name.values() if project else []
        if len(found := [run.rows[-1] for run in runs if run.rows]) == number:
            return time.time() - float(found[-1]["_timestamp"])
        time.sleep(0.1)
    raise AssertionError(process.communicate()[1])


def log_theirs(folder: Path, project: str) -> None:
    """Log `theirs:v0` into the project, as another program would."""
    path = folder / "their.txt"
    path.write_text("theirs")
    artifact = wandb.Artifact("theirs", type="dataset", metadata={"by": "another"})
    artifact.add_file(str(path))
    with wandb.init(project=project, id="another", settings=wandb.Settings(silent=True)) as run:
        run.log_artifact(artifact).wait()


def trials(api: wandb.Api, project: str) -> list[Any]:
    """The runs of the project's trials, by name."""
    api.flush()
    found = sorted(api.runs(f"tester/{project}"), key=lambda run: run.name)
    return [api.run("/".join(run.path)) for run in found if run.name.startswith("trial-")]


def assert_as_direct(api: wandb.Api, run: Any) -> None:
    """The run is as the script's own client left it, which talked to the server directly."""
    direct, found = seen(api.run("tester/alone/direct")), seen(run)
    for what, expected in direct.items():
        assert found[what] == expected, what


def test_a_trial_is_there_as_the_scripts_own_client_would_leave_it(
    api: wandb.Api, swept: Swept
) -> None:
    first, second = trials(api, "programs")
    assert [run.config["number"] for run in (first, second)] == [1, 2]
    assert [run.name for run in (first, second)] == ["trial-0000-mine", "trial-0001-mine"]
    assert_as_direct(api, first)
    assert swept.row_age_s < 12, "by itself the client sends rows after 15 s"


def test_a_server_that_went_away_costs_the_sending_and_sync_brings_the_rest(
    api: wandb.Api, swept: Swept
) -> None:
    assert swept.result["trials"]["completed"] == 2
    assert "trial-0001-mine" in swept.result["unsent"]
    assert swept.synced["runs"]["sent"]
    assert_as_direct(api, trials(api, "programs")[1])
    written = json.loads((swept.folder / "runs" / "mine" / "result.json").read_text())
    assert written["unsent"] == []


def test_runs_belong_to_the_sweep_and_the_winners_model_is_best(
    server: WandbServer, api: wandb.Api, swept: Swept
) -> None:
    (sweep,) = {run.sweep_name for run in trials(api, "programs")}
    assert swept.result["links"]["sweep"].endswith(sweep)
    project = server.state.project("tester", "programs")
    assert project is not None
    page = project.sweeps[sweep].config
    assert page["program"] == "train.py"
    assert page["parameters"] == {"number": {"values": [1, 2]}}
    best = api.artifact("tester/programs/net:best")
    assert {"best", "best-mine"} <= set(best.aliases)
    assert best.logged_by().name == f"{swept.result['best']['trial']}-mine"
    users = {run.id for run in api.artifact("tester/programs/numbers:small").used_by()}
    assert users == {run.id for run in trials(api, "programs")}
    theirs = api.artifact("tester/programs/theirs:v0")
    assert {run.id for run in theirs.used_by()} == users
    for run in project.runs_by_name.values():
        assert run.name == "another" or any(
            "printed by the script" in line for line in run.lines("output.log")
        )


def test_the_users_key_is_nowhere(server: WandbServer, swept: Swept) -> None:
    assert server.api_key not in swept.said
    assert files_with(server.api_key, [swept.folder, swept.ray]) == []
    assert files_with("printed by the script", [swept.folder]) != []


def test_a_sweep_that_ran_offline_is_brought_whole_and_once(
    server: WandbServer, api: wandb.Api, swept: Swept, tmp_path: Path
) -> None:
    done = call(
        *("run", "sweep.yaml", "--name", "cut", "--json", "--local-mode", "--count", "1"),
        *("--storage", tmp_path / "runs", "--set", "tracking.project=offline-program"),
        cwd=user_folder(tmp_path / "user"),
        WANDB_MODE="offline",
    )
    assert done.returncode == 0, done.stderr
    synced = raysweep("sync", "--storage", tmp_path / "runs", "--json", cwd=tmp_path)
    assert len(synced["runs"]["sent"]) == 1
    (run,) = trials(api, "offline-program")
    assert_as_direct(api, run)
    best = api.artifact("tester/offline-program/net:best")
    assert {"best", "best-cut", "final", "latest"} == set(best.aliases)
    project = server.state.project("tester", "offline-program")
    assert project is not None
    (there,) = project.runs_by_name.values()
    assert sum("printed by the script" in line for line in there.lines("output.log")) == 1
    again = raysweep("sync", "--storage", tmp_path / "runs", "--json", cwd=tmp_path)
    assert again["runs"]["sent"] == again["aliases"] == []
