"""Ctrl-C and SIGTERM: exit code 130, a last line that helps, every run closed, nobody left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from signal import SIGINT, SIGTERM

import pytest
from running_sweep import Sweep

from sweeps import stored


def send(sweep: Sweep, number: signal.Signals) -> None:
    """A terminal sends Ctrl-C to all of its foreground processes; `kill` sends to one."""
    if number is SIGINT:
        os.killpg(sweep.process.pid, number)
    else:
        sweep.process.send_signal(number)


@pytest.mark.parametrize(
    ("number", "at", "epochs"),
    [
        (SIGTERM, "sweep ", 200),
        (SIGINT, "initialize ", 200),
        (SIGINT, "epoch 2/", 200),
        (SIGINT, "evaluating ", 1),
    ],
)
def test_the_user_ends_it(
    sweep: Callable[..., Sweep], number: signal.Signals, at: str, epochs: int
) -> None:
    one = sweep("mine", epochs, rates=(0.01,) if epochs == 1 else (0.01, 0.003))
    one.wait_for(at)
    send(one, number)
    assert one.end() == 130
    assert one.lines[-1].startswith("raysweep: interrupted: mine has no best; ")
    assert "the next `python -m raysweep run` reuses the stages" in one.lines[-1]
    assert not any("Traceback" in line or "SIGTERM" in line for line in one.lines)
    assert one.leaves_no_process()
    assert {path.name for path in (one.storage / "mine").iterdir()} == {"config.yaml", "sweep.json"}
    tracker = stored(one.storage).tracker()
    assert all(run.state != "running" for run in tracker.runs())
    tracker.close()
