"""`run --tracker wandb` with two workers, looked at through `wandb.Api()` as a user would."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wandb
from wandb_sweep_watch import files_with, watch

from commands import start
from sweeps import IMPOSSIBLE, digits, grid
from wandb_server import WandbServer, faults, lent

PROJECT = "digits-in-wandb"
CONFIG = digits(
    grid(model__hidden_layer_sizes=[[8, 8], [4, 4], IMPOSSIBLE]),
    tracking={"project": PROJECT, "tags": ["nightly"]},
    resources={"max_concurrent": 2},
)
AGAIN = digits(grid(model__hidden_layer_sizes=[[8, 8]]), train={"epochs": 1})


@dataclass(frozen=True)
class Swept:
    """What two sweeps of one storage said, and where they left what."""

    folder: Path
    ray: Path
    first: dict[str, Any]
    second: dict[str, Any]
    said: str
    commands: str

    @property
    def storage(self) -> Path:
        return self.folder / "runs"

    @property
    def place(self) -> str:
        return f"tester/{PROJECT}"


@pytest.fixture(scope="module")
def swept(
    write: Callable[[dict[str, Any]], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Swept]:
    """Two sweeps: one with a trial that fails; and one by a user's W&B habits, on a bad network."""
    folder = tmp_path_factory.mktemp("swept")
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # short: Ray's sockets lie in it

    def run(name: str, config: dict[str, Any], **env: str) -> tuple[dict[str, Any], str, str]:
        process = start(
            *("run", write(config), "--tracker", "wandb", "--name", name, "--json"),
            *("--storage", folder / "runs", *(["--report"] if name == "first" else [])),
            cwd=folder,
            RAY_TMPDIR=str(ray),
            **env,
        )
        seen = watch(process)
        out, err = process.communicate(timeout=280)
        assert process.returncode == 0, err
        return json.loads(out), err, "\n".join(sorted(seen))

    habits = {
        "WANDB_PROJECT": PROJECT,
        "WANDB_ENTITY": "tester",
        "WANDB_RUN_GROUP": "a-users-group",
        "WANDB_TAGS": "one,two",
        "WANDB_DIR": str(folder / "habits"),
    }
    bad_network = {
        "UpsertBucket": faults.status(500),
        "CreateArtifact": faults.status(429, retry_after_s=1),
        "CommitArtifact": faults.cut(after=True),
        "UseArtifact": faults.status(500),
        "file_stream": faults.cut(after=True),
    }
    with lent() as server:
        first, said, commands = run("first", CONFIG)
        for operation, fault in bad_network.items():
            server.inject(operation, fault)
        second, more, _ = run("second", AGAIN, **habits)
    yield Swept(folder, ray, first, second, said + more, commands)
    shutil.rmtree(ray)


def runs(api: wandb.Api, swept: Swept, name: str) -> dict[str, Any]:
    """The sweep's runs by the name that it gave them."""
    found = [run for run in api.runs(swept.place, lazy=False) if run.name.endswith(f"-{name}")]
    return {run.name.removesuffix(f"-{name}"): run for run in found}


def test_every_run_says_what_it_is(api: wandb.Api, swept: Swept) -> None:
    found = runs(api, swept, "first")
    jobs = sorted(run.job_type for run in found.values())
    assert jobs == [
        *["initialize"] * 3, "load-data", "preprocess-data", "report", *["train"] * 3,
    ]  # fmt: skip
    assert {run.group for run in found.values()} == {"first"}
    assert {tuple(run.tags) for run in found.values()} == {("nightly",)}
    config = found["trial-0001"].config
    assert config["sweep"] == "first"
    assert config["model"]["hidden_layer_sizes"] == [4, 4]
    assert config["train"]["epochs"] == 2


def test_every_run_ended_as_it_really_did(api: wandb.Api, swept: Swept) -> None:
    states = {name: run.state for name, run in runs(api, swept, "first").items()}
    assert {name for name, state in states.items() if state != "finished"} >= {"trial-0002"}
    assert states["trial-0002"] == "failed"
    assert states["report"] == "finished"
    assert "RuntimeError" in runs(api, swept, "first")["trial-0002"].summary["error"]
    assert "running" not in states.values()
    assert swept.first["trials"] == {"total": 3, "completed": 2, "stopped": 0, "failed": 1}


def test_metrics_stand_against_the_examples_seen(api: wandb.Api, swept: Swept) -> None:
    run = runs(api, swept, "first")["trial-0000"]
    rows = list(run.scan_history())
    epochs = [row for row in rows if row.get("validation/accuracy") is not None]
    assert [row["_step"] for row in epochs] == [600, 1200]
    assert all(row["validation/loss"] > 0 for row in epochs)
    assert any(row.get("train/loss") is not None for row in rows)
    best = max(epochs, key=lambda row: row["validation/accuracy"])
    assert run.summary["validation/accuracy"] == best["validation/accuracy"]


def test_the_graph_leads_from_raw_data_to_best(api: wandb.Api, swept: Swept) -> None:
    trial = runs(api, swept, "first")[swept.first["best"]["trial"]]
    model = api.artifact(f"{swept.place}/{swept.first['best']['artifact']}")
    assert model.logged_by().id == trial.id
    assert {run.job_type for run in model.used_by()} == {"report"}
    used = {artifact.name.partition(":")[0]: artifact for artifact in trial.used_artifacts()}
    assert used.keys() == {"digits-preprocess", "convnet"}
    assert model.metadata["used"] == {name: found.version for name, found in used.items()}
    preprocess = used["digits-preprocess"].logged_by()
    (raw,) = preprocess.used_artifacts()
    assert raw.name.startswith("digits-raw:")
    assert raw.logged_by().job_type == "load-data"
    assert used["convnet"].logged_by().job_type == "initialize"


def test_the_report_has_its_pictures_and_its_table(api: wandb.Api, swept: Swept) -> None:
    report = runs(api, swept, "first")["report"]
    pictures = report.summary["high-loss-examples"]
    assert pictures["count"] == len(pictures["captions"]) == 32
    assert all(len(caption.split(",")) == 2 for caption in pictures["captions"])
    assert report.summary["confusion-matrix"]["ncols"] == 11
    assert report.summary["accuracy"] == swept.first["test"]["accuracy"]


def test_the_page_is_a_file_of_the_report_run(api: wandb.Api, swept: Swept, tmp_path: Path) -> None:
    page = swept.storage / "first" / "report.html"
    report = runs(api, swept, "first")["report"]
    assert f"report: {page}" in swept.said
    assert "the report is among the files of its run in W&B" in swept.said
    with report.file("report.html").download(root=str(tmp_path)) as there:
        assert there.read() == page.read_text()
    assert report.state == "finished"


def test_best_is_one_version_and_moves_with_the_next_sweep(api: wandb.Api, swept: Swept) -> None:
    versions = api.artifacts("model", f"{swept.place}/trained-model")
    holders = {alias: [] for alias in ("best", "best-first", "best-second")}
    for version in versions:
        for alias in holders.keys() & set(version.aliases):
            holders[alias].append(f"trained-model:{version.version}")
    assert holders["best"] == holders["best-second"] == [swept.second["best"]["artifact"]]
    assert holders["best-first"] == [swept.first["best"]["artifact"]]


def test_on_a_bad_network_nothing_is_doubled(api: wandb.Api, swept: Swept) -> None:
    assert swept.second["cached_stages"] == ["load", "preprocess", "initialize"]
    found = runs(api, swept, "second")
    assert {name: run.state for name, run in found.items()} == {
        "trial-0000": "finished",
        "report": "finished",
    }
    assert len(list(api.artifacts("model", f"{swept.place}/trained-model"))) == 3
    steps = [row["_step"] for row in found["trial-0000"].scan_history()]
    assert len(steps) == len(set(steps)) > 0
    assert swept.second["unsent"] == []


def test_a_users_habits_hold(api: wandb.Api, swept: Swept) -> None:
    assert swept.second["project"] == PROJECT
    found = runs(api, swept, "second").values()
    assert {run.group for run in found} == {"a-users-group"}
    assert {tuple(run.tags) for run in found} == {("one", "two")}
    assert list((swept.folder / "habits" / "wandb").glob("run-*"))


def test_links_are_told_and_kept(api: wandb.Api, swept: Swept) -> None:
    links = swept.first["links"]
    found = runs(api, swept, "first")
    assert links["best"] == found[swept.first["best"]["trial"]].url
    assert links["report"] == found["report"].url
    assert links["project"].endswith(f"/tester/{PROJECT}")
    assert all(url in swept.said for url in links.values())


def test_the_key_is_nowhere(server: WandbServer, swept: Swept) -> None:
    """In no file that the sweeps left, Ray's logs and the client's among them, and on no screen."""
    assert server.api_key not in swept.said
    assert server.api_key not in json.dumps([swept.first, swept.second])
    assert server.api_key not in swept.commands
    assert "ray::" in swept.commands, "the processes were looked at while they ran"
    assert files_with(server.api_key, [swept.folder, swept.ray, server.folder]) == []
    for folder in (swept.folder, server.folder):  # Ray's is removed at a sweep's end
        assert files_with("raysweep", [folder]) != [], "the search would find something"


def test_a_sweep_in_wandb_is_read_without_its_server(server: WandbServer, swept: Swept) -> None:
    with server.away():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "raysweep", "lineage", "trained-model:best", "--json"),
                *("--storage", str(swept.storage)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    kinds = [node.get("job_type") for node in json.loads(done.stdout)["nodes"]]
    assert {"load-data", "preprocess-data", "train", "report"} <= set(kinds)
