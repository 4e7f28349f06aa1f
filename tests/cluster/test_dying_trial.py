"""A trial that takes its process with it each time, as for want of memory, or is told to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep import run_sweep
from raysweep.events import Event, TrialUpdated

from sweeps import digits, runs_by_job, stored

NETWORK = """
import os, signal, time, traceback
from torch import nn

def linear(deadly: bool = False, by: str = "SIGKILL") -> nn.Module:
    callers = [frame.filename for frame in traceback.extract_stack()]
    if deadly and any(file.endswith("trials/training/work.py") for file in callers):
        print("about to die", by)
        os.write(2, b"as C code does\\n")
        os.system("echo from a child")
        print("without an end", end="")
        time.sleep(1.5)
        os.kill(os.getpid(), signal.Signals[by])
        time.sleep(60)  # Ray's handler for SIGTERM raises SystemExit
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""


@pytest.mark.parametrize("by", ["SIGKILL", "SIGTERM"])
def test_it_fails_when_it_has_died_often_enough_and_the_others_go_on(
    two_cpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    (tmp_path / "deadly_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    grid = {"method": "grid", "parameters": {"model.deadly": {"values": [True, False]}}}
    config = digits(grid, resources={"max_failures": 1})
    config["model"] = {"target": "deadly_network:linear", "by": by}
    told: list[TrialUpdated] = []

    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.index == 0:
            told.append(event)

    result = run_sweep(config, name="mine", storage=tmp_path / "runs", observer=watch)
    assert (result.trials.completed, result.trials.failed) == (1, 1)
    assert result.rows[0].error == "its process died 2 times: killed, or out of memory"
    assert max(row.restarts for row in told) == 1
    log = stored(tmp_path / "runs").folder.log("trial-0000").read_text()
    assert log.count(f"about to die {by}\nas C code does\nfrom a child\nwithout an end") == 2
    assert log.count("[raysweep: its process died once: killed, or out of memory]\n") == 2
    assert log.count("[raysweep: a new process") == 1
    assert result.failures[0].log == "logs/trial-0000.log"
    assert result.failures[0].where is None, "nobody saw an exception"
    tracker = stored(tmp_path / "runs").tracker()
    trials = {run.config["trial"]: run.state for run in runs_by_job(tracker, "mine")["train"]}
    tracker.close()
    assert trials == {"trial-0000": "crashed", "trial-0001": "finished"}
