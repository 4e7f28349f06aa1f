"""`resume` and what reads a sweep in W&B, while W&B cannot be reached."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from raysweep.errors import TrackerRefused
from raysweep.tracking import connect

from commands import call, raysweep, start
from running_sweep import Sweep
from sweeps import digits, grid
from wandb_server import WandbServer

PROJECT = "resumed-without"


def test_a_port_where_nobody_listens_says_so_at_once(server: WandbServer) -> None:
    """The client itself tries again for 15 s."""
    with server.away():
        began = time.monotonic()
        with pytest.raises(TrackerRefused, match=r"cannot connect: .*; check the connection"):
            connect("anything", None)
        assert time.monotonic() - began < 5


def test_it_goes_on_here_and_sync_sends_the_rest(
    server: WandbServer,
    api: wandb.Api,
    write: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
) -> None:
    config = write(
        digits(
            grid(learning_rate=[0.01, 0.003, 0.001]),
            model={"hidden_layer_sizes": [32, 64]},  # slow enough to be killed on the way
            train={"epochs": 5},
            tracking={"project": PROJECT},
            resources={"max_concurrent": 1},
        )
    )
    storage = tmp_path / "runs"
    arguments = ("run", config, "--tracker", "wandb", "--name", "mine", "--storage", storage)
    one = Sweep("mine", storage, start(*arguments, cwd=tmp_path, new_session=True))
    try:
        one.wait_for("trial-0000  completed")
        one.wait_for("trial-0001  running   epoch 1/5")
        one.process.kill()
        one.process.wait()
    finally:
        one.clear_away()
    with server.away():
        done = call("resume", "--storage", storage, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (warned,) = (line for line in done.stderr.splitlines() if line.startswith("WARNING"))
        assert "cannot connect" in warned
        assert "goes on, and is kept here: `sync` sends what W&B lacks then" in warned
        assert "--tracker" not in done.stderr, "no option of `resume`"
        result = json.loads(done.stdout)
        assert result["trials"]["completed"] == 3
        assert result["unsent"] == ["report-mine", "trial-0001-mine", "trial-0002-mine"]
        reads_without_its_server(storage, tmp_path)
    synced = raysweep("sync", "--storage", storage, "--json", cwd=tmp_path)
    assert len(synced["runs"]["sent"]) == 3
    runs = {run.name: run for run in api.runs(f"tester/{PROJECT}", lazy=False)}
    assert {run.state for run in runs.values()} == {"finished"}
    for name in ("trial-0000-mine", "trial-0001-mine", "trial-0002-mine"):
        rows = [row for row in runs[name].scan_history() if row.get("validation/accuracy")]
        assert len(rows) == 5, "each epoch once"


def reads_without_its_server(storage: Path, cwd: Path) -> None:
    """What can be answered from the storage is; what cannot says so in one line."""
    listed = raysweep("list", "--storage", storage, "--json", cwd=cwd)
    assert [sweep["state"] for sweep in listed["sweeps"]] == ["ended"]
    best = raysweep("best", "--storage", storage, "--download", cwd / "m", "--json", cwd=cwd)
    assert (cwd / "m" / "trained_model.pth").is_file()
    lineage = raysweep("lineage", best["best"]["artifact"], "--storage", storage, "--json", cwd=cwd)
    assert "report" in {node.get("job_type") for node in lineage["nodes"]}
    lineage = raysweep("lineage", "trained-model:best", "--storage", storage, "--json", cwd=cwd)
    assert "report" in {node.get("job_type") for node in lineage["nodes"]}
    for command in (("sync",), ("lineage", "trained-model:v77")):
        done = call(*command, "--storage", storage, cwd=cwd)
        assert done.returncode in (1, 2)
        assert done.stderr.count("\n") == 1
        assert "--tracker" not in done.stderr, "no option of this command"
