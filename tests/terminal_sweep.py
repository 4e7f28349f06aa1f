"""A made-up sweep, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raysweep.events import Evaluating, Event, StageFinished, SweepStarted, TrialUpdated
from raysweep.trials.training.kind import DISPLAY

METRIC = "validation/accuracy"


def started(trials: int = 3, **changes: Any) -> SweepStarted:
    fields: dict[str, Any] = {
        "sweep": "digits-20261123-0915-3fa2",
        "folder": Path("/runs/digits-20261123-0915-3fa2"),
        "tracker": "trackio",
        "reason": "no W&B key is configured",
        "trials": trials,
        "epochs": 2,
        "concurrent": 2,
        "cpus": 1.0,
        "gpus": 0.0,
        "metric": METRIC,
        "goal": "maximize",
        "display": DISPLAY,
    }
    return SweepStarted(**fields | changes)


def trial(
    index: int,
    state: Any = "running",
    epoch: int = 0,
    accuracy: float | None = None,
    *,
    best: float | None = None,
    error: str | None = None,
) -> TrialUpdated:
    """Trial `index` after `epoch` of 2 epochs; its `best` is what it scored last, if not given."""
    best = accuracy if best is None else best
    return TrialUpdated(
        index=index,
        name=f"trial-{index:04d}",
        state=state,
        overrides={"learning_rate": 0.001 * (index + 1), "epochs": 2},
        epoch=epoch,
        epochs=2,
        metrics={} if accuracy is None else {METRIC: accuracy, "validation/loss": 1.0},
        best=None if best is None else {METRIC: best, "validation/loss": 1.0},
        error=error,
    )


NAN = float("nan")

SWEEP: list[Event] = [
    started(warning="MNIST is not in data: the embedded digits stand in."),
    StageFinished("load", "digits-raw:v0", False),
    StageFinished("preprocess", "digits-preprocess:v0", True),
    StageFinished("initialize", "convnet:v0", True),
    trial(0),
    trial(1),
    trial(0, "running", 1, 80.0),
    trial(1, "running", 1, NAN),
    trial(0, "running", 2, 75.0, best=80.0),
    trial(0, "completed", 2, 75.0, best=80.0),
    trial(1, "failed", 1, NAN, error="OSError: [/x] is a [red]x"),
    trial(2),
    trial(2, "running", 1, 90.5),
    trial(2, "stopped", 1, 90.5),
    Evaluating("trial-0002", "trained-model:v1"),
]
"""Three trials: one completed, one failed after NaN, one stopped early and the best."""
