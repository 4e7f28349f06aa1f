"""Check a training sweep's input before Ray starts. Does not import torch."""

from __future__ import annotations

from raysweep.config import Config, DataConfig, DataTarget, ModelConfig, ModelTarget, apply
from raysweep.errors import ConfigError, UserError
from raysweep.ml import files, shapes
from raysweep.ml.shapes import INPUT_SHAPE
from raysweep.search import space
from raysweep.stages import stages
from raysweep.stages.stages import LOAD, check_train_size
from raysweep.storage.past import Past
from raysweep.storage.reading import StoredSweep
from raysweep.tracking import ArtifactVersion, Tracker

INPUT_HW = INPUT_SHAPE[1]
CLASSES = 10
"""The number of classes in every built-in data set."""


def check(config: Config) -> None:
    """Raise a UserError for data or a model with which no trial could be trained."""
    for trial in space.distinct(config, "data"):
        _check_data(trial.data)
    for trial in space.distinct(config, "model"):
        _check_model(trial.model, config.data)


def check_here(config: Config) -> None:
    """Raise a UserError where the data set's files on this machine contradict the config."""
    for trial in space.distinct(config, "data"):
        _check_files(trial.data)


def check_again(config: Config, past: Past, stored: StoredSweep) -> None:
    """Raise UserError where the data set's files have changed since the sweep began. Missing files
    are no error: the tracker has the artifact that was made from them."""
    now: dict[str, dict[str, DataConfig]] = {}
    for data in _data_of_started(config, past):
        if files.dataset_state(data.dataset, data.resolved_root()) == "present":
            stage = stages.load_stage(data.dataset, data.resolved_root(), data.train_size)
            now.setdefault(stage.artifact, {})[stage.fingerprint] = data
    tracker = stored.tracker()
    try:
        made = _raw_data(past, tracker, stored.record.name)
    finally:
        tracker.close()
    for version in made:
        found, then = now.get(version.name, {}), str(version.metadata["fingerprint"])
        if found and then not in found:
            data = next(iter(found.values()))
            raise UserError(
                f"{data.resolved_root()}: the files of {data.dataset} are not those that "
                f"{version.ref} was made of (fingerprint {then[:12]}, now "
                f"{next(iter(found))[:12]}); put them back, or start a new sweep"
            )


def _data_of_started(config: Config, past: Past) -> list[DataConfig]:
    """Return the distinct data sections of the trials that have started. Targets are left out: the
    files that they read are not known."""
    trials = [apply(config, event["values"]) for event in past.of("trial")]
    found = {each.data.model_dump_json(): each.data for each in (trials or [config])}
    return [data for data in found.values() if isinstance(data, DataConfig)]


def _raw_data(past: Past, tracker: Tracker, sweep: str) -> list[ArtifactVersion]:
    """Return the raw data that the trials use: one version for all, or, where data is swept, every
    version that this sweep logged."""
    stage = past.stages().get("load")
    runs = [run for run in tracker.runs(sweep) if run.job_type == LOAD]
    refs = [stage["ref"]] if stage else [ref for run in runs for ref in run.logged]
    return [tracker.artifact(ref) for ref in refs]


def _check_data(data: DataConfig | DataTarget) -> None:
    """Raise ConfigError for a target with the name of a built-in data set. What it returns is
    checked when it has run."""
    if not isinstance(data, DataTarget):
        return
    if data.label in {name.lower() for name in files.DATASETS}:
        raise ConfigError(
            f"data.name: {data.label} is a data set's that raysweep reads itself; "
            "call your own otherwise"
        )


def _check_files(data: DataConfig | DataTarget) -> None:
    """Raise DataError where the built-in data set is on this machine and `train_size` does not fit
    it."""
    if isinstance(data, DataTarget):
        return
    if files.dataset_state(data.dataset, data.resolved_root()) == "present":
        check_train_size(data)


def _check_model(model: ModelConfig | ModelTarget, data: DataConfig | DataTarget) -> None:
    """Raise ConfigError for a ConvNet that does not fit 28×28 pictures or the built-in data's ten
    classes."""
    if isinstance(model, ModelTarget):
        return
    shapes.feature_map(INPUT_HW, model.kernel_sizes, model.pool_sizes)
    if not isinstance(data, DataTarget) and model.num_classes < CLASSES:
        raise ConfigError(
            f"model.num_classes: {model.num_classes} is too few for "
            f"{data.dataset}, which has {CLASSES}"
        )
