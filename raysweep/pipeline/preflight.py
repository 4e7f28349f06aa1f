"""Everything about the input that can be known before Ray starts and anything is made."""

from __future__ import annotations

from raysweep.config import Config
from raysweep.errors import ConfigError
from raysweep.ml import files, shapes
from raysweep.ml.shapes import INPUT_SHAPE
from raysweep.pipeline import space
from raysweep.pipeline.stages import check_train_size
from raysweep.pipeline.storage import Storage
from raysweep.tracking import validate_project

INPUT_HW = INPUT_SHAPE[1]
CLASSES = 10
"""Of every data set that raysweep reads."""


def check(config: Config, storage: Storage, name: str | None) -> None:
    """Raise a UserError for the first fault. Quick: torch is not imported."""
    validate_project(config.tracking.project)
    storage.check(name)
    if files.dataset_state(config.data.dataset, config.data.resolved_root()) == "present":
        check_train_size(config.data)
    for model in space.architectures(config):
        shapes.feature_map(INPUT_HW, model["kernel_sizes"], model["pool_sizes"])
        if model["num_classes"] < CLASSES:
            raise ConfigError(
                f"model.num_classes: {model['num_classes']} is too few for "
                f"{config.data.dataset}, which has {CLASSES}"
            )
