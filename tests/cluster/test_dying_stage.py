"""A swept data set that takes its process with it each time, and code that leaves its process."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep import run_sweep

from sweeps import runs_by_job, stored

CODE = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from raysweep.ml.protocols import Split, Splits

def table(deadly: bool = False, calls: str = "") -> Splits:
    if deadly:
        with Path(calls).open("a") as file:
            file.write("once more\\n")
        os.kill(os.getpid(), signal.SIGKILL)
    x = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    rows = Split(x, torch.arange(64) % 2)
    return Splits(rows, rows, rows)

def linear(leaves: bool = False) -> nn.Module:
    if leaves and "raysweep.trials.training.work" in sys.modules:
        sys.exit("no weights")
    return nn.Linear(4, 2)
"""


def test_the_trial_that_needs_it_fails_and_the_others_go_on(
    two_cpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_stages.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    parameters = {
        "data.deadly": {"values": [True, False]},
        "model.leaves": {"values": [False, True]},
    }
    result = run_sweep(
        {
            "data": {"target": "own_stages:table", "calls": str(tmp_path / "calls")},
            "model": {"target": "own_stages:linear"},
            "train": {"epochs": 1, "batch_size": 16},
            "resources": {"cpus": 1},
            "sweep": {"method": "grid", "parameters": parameters},
        },
        name="mine",
        storage=tmp_path / "runs",
    )
    died = (
        "WorkerDied: stage load, which calls data.target own_stages:table: its process died 4 "
        "times: killed, or out of memory"
    )
    left = (
        "CodeFailed: model.target own_stages:linear: raised SystemExit: no weights "
        "(own_stages.py:19 in linear)"
    )
    assert [row.error for row in result.rows] == [died, died, None, left]
    assert not any(row.restarts for row in result.rows), "no trial's own process died"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 4, "once, and three times again; not for the second trial"
    tracker = stored(tmp_path / "runs").tracker()
    trials = {run.config["trial"]: run.state for run in runs_by_job(tracker, "mine")["train"]}
    tracker.close()
    assert trials == {f"trial-000{i}": "finished" if i == 2 else "failed" for i in range(4)}
