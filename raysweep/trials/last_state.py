"""What a trial whose process is gone continues from: its last checkpoint that can be used."""

from __future__ import annotations

import io
from typing import Any

import torch

from raysweep.errors import StoreFailed, TrackingError
from raysweep.trials.context import TrialContext


def last_state(context: TrialContext, trial: str) -> dict[str, Any] | None:
    """What is in it; None where there is none, and the trial begins anew.

    A power cut may have taken rows of the run that were logged before the checkpoint. Then it
    cannot be used: they would be lacking for good.
    """
    for data in context.checkpoints.usable(trial):
        state: dict[str, Any] = torch.load(io.BytesIO(data), "cpu", weights_only=True)
        if _has_rows_to(state["reports"][-1]["examples"], context, trial):
            return state
    return None


def _has_rows_to(examples: int, context: TrialContext, trial: str) -> bool:
    """An epoch's last row is logged at its end, and rows are lost from the last one on."""
    try:
        history = context.tracker.history(context.sweep.run_id(trial))
    except StoreFailed:
        raise
    except TrackingError:  # no such run
        return False
    return any(row["step"] == examples for row in history)
