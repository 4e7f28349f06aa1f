"""A trial's checkpoint as an artifact, `trial-checkpoint`: logged by one run, used by another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from raysweep.tracking import ArtifactDraft, Run, Tracker
from raysweep.trials.inputs import Inputs, fetch, scratch

FILE = "checkpoint.pt"


def log_checkpoint(
    run: Run, state: Mapping[str, Any], metadata: Mapping[str, Any], inputs: Inputs | Path
) -> str:
    """Log a Trainer's `state_dict` as an output of `run`. Return its ref, `trial-checkpoint:vK`."""
    with scratch(inputs) as folder:
        path = folder / FILE
        torch.save(dict(state), path)
        draft = ArtifactDraft(
            name="trial-checkpoint",
            type="checkpoint",
            description="A trial between two epochs: weights, optimizer, schedule",
            metadata=metadata,
            files={FILE: path},
        )
        return run.log_artifact(draft).ref


def use_checkpoint(run: Run, tracker: Tracker, ref: str, inputs: Inputs | Path) -> dict[str, Any]:
    """Declare `ref` an input of `run`, and return the `state_dict` in it."""
    version = run.use_artifact(ref)
    path = fetch(tracker, version.ref, inputs) / FILE
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
