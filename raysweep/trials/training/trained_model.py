"""Log `trained-model`: the weights of a trial's best epoch, with how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from raysweep.ml.weights import save_weights
from raysweep.search.space import sweeps
from raysweep.stages.stages import TRAINED_MODEL, preprocess_of
from raysweep.tracking import ArtifactDraft, ArtifactVersion, Run
from raysweep.trials.context import TrialContext
from raysweep.trials.inputs import scratch
from raysweep.trials.training.values import MODEL_ARTIFACT
from raysweep.version import __version__


def log_model(
    run: Run,
    context: TrialContext,
    weights: Mapping[str, Any],
    used: Mapping[str, ArtifactVersion],
    made_by: Mapping[str, Any],
) -> ArtifactVersion:
    """Log `weights` as an output of `run`. Idempotent: the same trial gives the same version.

    used: name → the version from which the trial started, data first. made_by: further metadata
    about the trial.
    """
    metadata = {
        **made_by,
        "sweep": context.sweep.name,
        "run": run.id,
        "metric": {"name": context.metric, "goal": context.goal},
        "used": {name: version.version for name, version in used.items()},
        "requested": _requested(context, used),
        "preprocess": preprocess_of(next(iter(used.values()))),
        "code_version": {"raysweep": __version__, "torch": torch.__version__},
    }
    with scratch(context.inputs) as folder:
        path = folder / TRAINED_MODEL
        save_weights(weights, path)
        draft = ArtifactDraft(
            name=MODEL_ARTIFACT,
            type="model",
            description="Trained NN model",
            metadata=metadata,
            files={TRAINED_MODEL: path},
        )
        return run.log_artifact(draft)


def _requested(context: TrialContext, used: Mapping[str, ArtifactVersion]) -> list[str]:
    """Return the refs from which the exact versions were resolved. A swept version is left out: the
    trial's config determines it."""
    stages = ("preprocess", "initialize")
    return [
        f"{name}:latest"
        for name, stage in zip(used, stages, strict=True)
        if not sweeps(stage, context.config)
    ]
