"""A sweep's page in W&B: a W&B sweep to which its trials belong, made once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml
from kept_sweep import NAME, small_sweep

from raysweep.config import Config
from raysweep.sweep.in_wandb import as_wandb_sweep, link
from raysweep.sweep.syncing import sync_sweep

from commands import call, raysweep
from sweeps import digits
from wandb_server import WandbServer, faults

CONFIG = digits(
    {
        "method": "random",
        "run_cap": 2,
        "description": "Which rate?",
        "parameters": {
            "learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
            "model.dropout": {"values": [0.0, 0.5]},
            "weight_decay": {"min": 0, "max": 0.5},
        },
        "early_terminate": {"type": "hyperband", "min_iter": 2},
    },
    model={"hidden_layer_sizes": [2, 4]},
    data={"train_size": 200},
)


def pages(server: WandbServer, project: str) -> dict[str, set[str]]:
    """Each W&B sweep of the project, and the job types and names of its runs."""
    place = server.state.projects[project]
    return {
        name: {run.display_name for run in place.runs_by_name.values() if run.sweep_name == name}
        for name in place.sweeps
    }


def test_the_space_in_wandbs_words() -> None:
    """Each parameter is called as a run's config has it, which W&B's plots read."""
    sweep = as_wandb_sweep("mine", Config.from_dict(CONFIG).to_dict()["sweep"])
    assert sweep == {
        "name": "mine",
        "description": "Which rate?",
        "method": "random",
        "metric": {"name": "validation/accuracy", "goal": "maximize"},
        "parameters": {
            "train.learning_rate": {
                "distribution": "log_uniform_values", "min": 0.001, "max": 0.1,
            },
            "model.dropout": {"values": [0.0, 0.5]},
            "train.weight_decay": {"min": 0.0, "max": 0.5},
        },
    }  # fmt: skip


def test_a_synced_sweep_has_one_page(server: WandbServer, tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "page-of-a-sync")
    before = dict(os.environ)
    sync_sweep(kept.storage)
    assert dict(os.environ) == before, "the client would make its project the process's own"
    (name,) = pages(server, "page-of-a-sync")
    assert pages(server, "page-of-a-sync") == {name: {f"trial-0000-{NAME}"}}
    address = f"{server.url}/{server.entity}/page-of-a-sync/sweeps/{name}"
    assert link(kept.folder) == {"sweep": address}
    sync_sweep(kept.storage)
    assert len(pages(server, "page-of-a-sync")) == 1
    kept.folder.wandb_page.unlink()
    sync_sweep(kept.storage)
    second = next(iter(pages(server, "page-of-a-sync").keys() - {name}))
    assert pages(server, "page-of-a-sync")[second] == {f"trial-0000-{NAME}"}, "sent before"


def test_a_server_that_refuses_a_page_costs_a_line(server: WandbServer, tmp_path: Path) -> None:
    kept = small_sweep(tmp_path, "no-page")
    server.inject("UpsertSweep", faults.status(400), times=5)
    done = call("sync", NAME, "--storage", kept.storage)
    assert done.returncode == 0, done.stderr
    assert (
        "in W&B, the sweep has no page of its own: W&B project no-page: cannot create a sweep"
        in (done.stderr)
    )
    assert pages(server, "no-page") == {}
    assert "trial-0000" in str(list(server.state.projects["no-page"].runs_by_name))


def test_a_sweep_and_its_resume_share_a_page(server: WandbServer, tmp_path: Path) -> None:
    config = tmp_path / "sweep.yaml"
    document: dict[str, Any] = {**CONFIG, "tracking": {"project": "shared-page"}}
    config.write_text(yaml.safe_dump(document))
    storage = tmp_path / "runs"
    common = ("--storage", storage, "--local-mode", "--tracker", "wandb", "--name", "mine")
    result = raysweep("run", config, *common, "--json")
    ((name, runs),) = pages(server, "shared-page").items()
    assert runs == {"trial-0000-mine", "trial-0001-mine"}
    assert result["links"]["sweep"].endswith(f"/shared-page/sweeps/{name}")
    (storage / "mine" / "result.json").unlink()
    again = raysweep("resume", "mine", "--storage", storage, "--local-mode", "--json")
    assert again["links"] == result["links"]
    assert pages(server, "shared-page") == {name: runs}
    assert json.loads((storage / "mine" / "wandb.json").read_text())["id"] == name
