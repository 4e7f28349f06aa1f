"""The server goes away in mid-sweep: the sweep ends well, and `sync` brings the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb

from commands import raysweep, start
from sweeps import digits, grid
from wandb_server import WandbServer

PROJECT = "lost-in-mid-sweep"


def test_a_server_that_is_lost_costs_the_sending_and_nothing_else(
    server: WandbServer,
    api: wandb.Api,
    write: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    config = digits(
        grid(learning_rate=[0.01, 0.003]),
        train={"epochs": 4},
        tracking={"project": PROJECT},
    )
    arguments = ("run", write(config), "--tracker", "wandb", "--name", "mine", "--json")
    process = start(*arguments, "--storage", tmp_path / "runs", cwd=tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 1/4" in line:
            break
    with server.away():
        out, rest = process.communicate(timeout=280)
    assert process.returncode == 0, rest
    result = json.loads(out)
    assert result["trials"] == {"total": 2, "completed": 2, "stopped": 0, "failed": 0}
    assert result["unsent"] == ["report-mine", "trial-0000-mine", "trial-0001-mine"]
    assert result["best"]["artifact"].startswith("trained-model:local-")
    assert (tmp_path / "runs" / "mine" / "best" / "trained_model.pth").is_file()
    assert "kept here, and not yet in W&B: report-mine, trial-0000-mine, trial-0001-mine" in rest
    assert "send it: python -m raysweep sync mine --storage " in rest

    synced = raysweep("sync", "--storage", tmp_path / "runs", "--json", cwd=tmp_path)
    assert len(synced["runs"]["sent"]) == 3
    found = {run.name: run for run in api.runs(f"tester/{PROJECT}", lazy=False)}
    assert {run.state for run in found.values()} == {"finished"}
    for trial in ("trial-0000-mine", "trial-0001-mine"):
        steps = [row["_step"] for row in found[trial].scan_history()]
        assert len(steps) == len(set(steps))
        assert {600, 1200, 1800, 2400} <= set(steps)
    best = api.artifact(f"tester/{PROJECT}/trained-model:best")
    assert best.logged_by().name == f"{result['best']['trial']}-mine"
    written = json.loads((tmp_path / "runs" / "mine" / "result.json").read_text())
    assert written["unsent"] == []
    assert written["best"]["artifact"] == f"trained-model:{best.version}"
    assert written["links"]["report"] == found["report-mine"].url

    again = raysweep("sync", "--storage", tmp_path / "runs", "--json", cwd=tmp_path)
    assert again["runs"]["sent"] == again["aliases"] == []
