"""What records a sweep of each kind of trials."""

from __future__ import annotations

import pytest

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.trials.workloads import tracker_of, workload_of

PROGRAM = {
    "program": "train.py",
    "method": "grid",
    "metric": {"name": "loss"},
    "parameters": {"lr": {"values": [1]}},
}


def test_a_user_of_wandb_runs_a_program_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    assert tracker_of(Config()).backend == "wandb"
    chosen = tracker_of(Config.from_dict(PROGRAM))
    assert (chosen.backend, chosen.reason) == (
        "trackio",
        "a sweep of a program is kept in Trackio here",
    )


def test_who_asks_for_wandb_is_told_that_it_cannot_be() -> None:
    config = Config.from_dict({"sweep": PROGRAM, "tracking": {"backend": "wandb"}})
    with pytest.raises(UserError, match=r"^tracking.backend: wandb cannot record .*; use trackio"):
        workload_of(config).check(config)
