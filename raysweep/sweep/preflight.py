"""Everything about the input that can be known before Ray starts and anything is made."""

from __future__ import annotations

from raysweep.config import Config, DataConfig, DataTarget, ModelConfig, ModelTarget
from raysweep.errors import ConfigError
from raysweep.ml import files, shapes
from raysweep.ml.shapes import INPUT_SHAPE
from raysweep.search import space
from raysweep.stages.stages import check_train_size
from raysweep.storage.storage import Storage
from raysweep.tracking import validate_project

INPUT_HW = INPUT_SHAPE[1]
CLASSES = 10
"""Of every data set that raysweep reads."""


def check(config: Config, storage: Storage, name: str | None) -> None:
    """Raise a UserError for the first fault. Quick: torch is not imported."""
    storage.check(name)
    check_config(config)
    for trial in space.distinct(config, "data"):
        _check_files(trial.data)


def check_config(config: Config) -> None:
    """What holds on whatever machine the sweep will run."""
    validate_project(config.tracking.project)
    space.trial_count(config)  # lists them, and so refuses too many, or values that no field takes
    for trial in space.distinct(config, "data"):
        _check_data(trial.data)
    for trial in space.distinct(config, "model"):
        _check_model(trial.model, config.data)


def _check_data(data: DataConfig | DataTarget) -> None:
    """What a target gives is known when it has run."""
    if not isinstance(data, DataTarget):
        return
    if data.label in {name.lower() for name in files.DATASETS}:
        raise ConfigError(
            f"data.name: {data.label} is a data set's that raysweep reads itself; "
            "call your own otherwise"
        )


def _check_files(data: DataConfig | DataTarget) -> None:
    """Of the files that are here."""
    if isinstance(data, DataTarget):
        return
    if files.dataset_state(data.dataset, data.resolved_root()) == "present":
        check_train_size(data)


def _check_model(model: ModelConfig | ModelTarget, data: DataConfig | DataTarget) -> None:
    """The ConvNet must fit 28×28 pictures, and the built-in data's ten classes."""
    if isinstance(model, ModelTarget):
        return
    shapes.feature_map(INPUT_HW, model.kernel_sizes, model.pool_sizes)
    if not isinstance(data, DataTarget) and model.num_classes < CLASSES:
        raise ConfigError(
            f"model.num_classes: {model.num_classes} is too few for "
            f"{data.dataset}, which has {CLASSES}"
        )
