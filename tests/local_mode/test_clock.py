"""Setting the clock back, and then ahead, does not change a running sweep."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from raysweep import run_sweep
from raysweep.events import Event, TrialUpdated

from sweeps import HAS_LOCAL_MODE, digits, grid

DAY_S = 86_400


@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
def test_budgets_and_times_do_not_follow_the_clock(
    local_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, shift = time.time, [0]
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])

    def watch(event: Event) -> None:
        if isinstance(event, TrialUpdated):
            shift[0] = -DAY_S if event.index == 0 else 2 * DAY_S

    sweep = grid(learning_rate=[0.01, 0.03, 0.1]) | {"max_time": "1h"}
    config = digits(sweep, model={"hidden_layer_sizes": [2, 4]})
    result = run_sweep(config, storage=tmp_path, observer=watch)
    assert result.ended_by == "completed"
    assert result.trials.completed == 3
    assert 0 < result.wall_s < 3600
