"""What the built-in training says of itself without importing it: commands that only read ask."""

from __future__ import annotations

from raysweep.cluster.faststart.fork_server import Preload
from raysweep.events import Display

DISPLAY = Display(
    step="epoch",
    percent=True,
    columns=("validation/accuracy", "validation/loss"),
    hidden=frozenset({"epoch", "train/loss"}),
    preparing="preparing the data and the model",
    last_stage="preprocess",
    scored_on=" on the test split",
)

PRELOAD = Preload(
    before_ray=(
        "torch",
        "raysweep.ml.eager",
        "raysweep.ml.inference",
        "raysweep.ml.preprocess",
        "raysweep.ml.training",
    ),
    with_ray=(
        "raysweep.stages.stages",
        "raysweep.trials.training.evaluator",
        "raysweep.trials.training.work",
        "raysweep.trials.training.workload",
    ),
)
