"""Another process holds the store's lock in mid-sweep: the sweep says so, waits and completes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

from running_sweep import Sweep


def test_a_sweep_waits_for_a_lock_and_says_whose_it_is(sweep: Callable[..., Sweep]) -> None:
    one = sweep("mine", 60)
    one.wait_for("epoch 2/60")
    with (one.storage / "tracker" / "artifacts-example.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        line = one.wait_for("waiting until it is released")
        assert f"artifacts-example.lock: locked by process {os.getpid()} (" in line
        fcntl.flock(file, fcntl.LOCK_UN)
    assert one.end() == 0, one.lines
    assert sum("released" in line for line in one.lines) == 1
    left = {path.name for path in (one.storage / "mine").iterdir()}
    assert left == {
        "best",
        "config.given.yaml",
        "logs",
        "config.yaml",
        "journal.jsonl",
        "result.json",
        "sweep.json",
    }
