"""Plan the stages of a training sweep, without Ray or torch."""

from __future__ import annotations

from raysweep.config import Config, DataConfig, DataTarget, ModelTarget
from raysweep.ml import files
from raysweep.search import space
from raysweep.stages import stages
from raysweep.stages.stages import Stage
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.trials.work import PlannedStage

FOR_EACH = "one for each setting"

Loading = tuple[PlannedStage, ArtifactVersion | None]
"""The load stage, and the version that it would reuse."""


def absent(config: Config) -> str | None:
    """Return a line that names a missing data set and says what a run would do about it; None where
    none is missing."""
    for trial in space.distinct(config, "data"):
        data = trial.data
        if isinstance(data, DataTarget) or _is_there(data):
            continue
        falls_back = data.fallback and not space.sweeps("load", config)
        otherwise = f"use {data.fallback} instead" if falls_back else "stop"
        return (
            f"{data.dataset} is not in {data.resolved_root()}: run would download it, "
            f"and if that fails, {otherwise}"
        )
    return None


def _is_there(data: DataConfig) -> bool:
    return files.dataset_state(data.dataset, data.resolved_root()) == "present"


def planned(config: Config, tracker: Tracker | None) -> list[PlannedStage]:
    """Return each stage once for each distinct setting. Where its input is not known yet, the
    version that it would reuse is left open."""
    loaded: dict[str, Loading] = {}

    def loading(trial: Config) -> Loading:
        key = repr(trial.data)
        if key not in loaded:  # the files are read, for their digests
            loaded[key] = _loading(trial.data, tracker)
        return loaded[key]

    listed = space.lists_trials(config)
    found: list[PlannedStage] = []
    if not listed and space.sweeps("load", config):
        found.append(PlannedStage("load", f"{config.data.label}-raw, {FOR_EACH}", None))
    else:
        found += [loading(trial)[0] for trial in space.distinct(config, "data")]
    if not listed and space.sweeps("preprocess", config):
        name = f"{config.data.label}-preprocess, {FOR_EACH}"
        found.append(PlannedStage("preprocess", name, None))
    else:
        trials = space.distinct(config, "data", "preprocess")
        found += [_preprocessing(trial, loading(trial)[1], tracker) for trial in trials]
    if not listed and space.sweeps("initialize", config):
        name = stages.model_name(config.model.model_dump(mode="json"))
        found.append(PlannedStage("initialize", f"{name}, one for each architecture", None))
        return found
    return found + [_initializing(trial, tracker) for trial in space.distinct(config, "model")]


def _loading(data: DataConfig | DataTarget, tracker: Tracker | None) -> Loading:
    if isinstance(data, DataTarget) or not _is_there(data):
        return PlannedStage("load", f"{data.label}-raw", None), None
    stage = stages.load_stage(data.dataset, data.resolved_root(), data.train_size)
    raw = _find(tracker, stage)
    return _planned(stage, raw), raw


def _preprocessing(
    config: Config, raw: ArtifactVersion | None, tracker: Tracker | None
) -> PlannedStage:
    if raw is None:
        return PlannedStage("preprocess", f"{config.data.label}-preprocess", None)
    stage = stages.preprocess_stage(raw, config.preprocess.model_dump(mode="json"))
    return _planned(stage, _find(tracker, stage))


def _initializing(config: Config, tracker: Tracker | None) -> PlannedStage:
    stage = stages.initialize_stage(config.model.model_dump(mode="json"))
    runs_anyway = isinstance(config.model, ModelTarget)
    return _planned(stage, None if runs_anyway else _find(tracker, stage))


def _find(tracker: Tracker | None, stage: Stage) -> ArtifactVersion | None:
    return tracker.find_artifact(stage.artifact, stage.fingerprint) if tracker else None


def _planned(stage: Stage, found: ArtifactVersion | None) -> PlannedStage:
    return PlannedStage(stage.name, stage.artifact, found.ref if found else None)
