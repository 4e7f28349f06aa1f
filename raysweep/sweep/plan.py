"""What a sweep would do, found out without doing any of it and without Ray or torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from raysweep.config import (
    Config,
    DataConfig,
    DataTarget,
    ModelTarget,
    SweepConfig,
    combinations,
    enumerate_trials,
)
from raysweep.ml import files
from raysweep.search import space, space_plan
from raysweep.search.space_plan import PlannedParameter
from raysweep.selection import Goal
from raysweep.stages import stages
from raysweep.stages.stages import Stage
from raysweep.storage.open_storage import read_storage
from raysweep.storage.reading import tracker_for_reading
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.sweep import preflight
from raysweep.sweep.habits import with_project
from raysweep.tracking import ArtifactVersion, Tracker, choose

FOR_EACH = "one for each setting"


@dataclass(frozen=True)
class PlannedStage:
    """A stage, what it makes, and the version that it would reuse (`name:vK`), if any."""

    name: str
    artifact: str
    ref: str | None


Loading = tuple[PlannedStage, ArtifactVersion | None]
"""The load stage, and the version that it would reuse."""


@dataclass(frozen=True)
class Plan:
    """All that `plan` knows."""

    tracker: str
    reason: str
    storage: str
    warning: str | None
    stages: tuple[PlannedStage, ...]
    space: tuple[PlannedParameter, ...]
    method: str
    trials: int
    epochs: int
    early_terminate: str
    metric: str
    goal: Goal
    combinations: int | None = None
    first: tuple[dict[str, Any], ...] = ()
    notices: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    may_end_early: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(config: Config, name: str | None = None, show: int = 5) -> Plan:
    """Check the input as `run` would, and say what `run` would do. Raises UserError as it would.

    `show`: how many of the first configurations it lists.
    """
    config = with_project(config)
    with read_storage(config.storage) as storage:
        return _plan(config, storage, name, show)


def _plan(config: Config, storage: Storage, name: str | None, show: int) -> Plan:
    choice = choose(config.tracking.backend)
    preflight.check(config, storage, name)
    tracking = config.tracking
    record = SweepRecord.new("plan", tracking.project, tracking.entity, choice.backend)
    known = choice.backend != "trackio" or storage.tracker.exists()
    tracker = tracker_for_reading(record, storage) if known else None
    sweep = config.sweep
    halving = sweep.early_terminate
    return Plan(
        tracker=choice.backend,
        reason=choice.reason,
        storage=storage.shown,
        warning=_absent(config),
        stages=tuple(_stages(config, tracker)),
        space=space_plan.parameters(sweep, own=True),
        method=sweep.method,
        trials=space.trial_count(config),
        epochs=space.longest_epochs(config),
        early_terminate=""
        if halving is None
        else f", stopped early by {halving.describe(space.longest_epochs(config))}",
        metric=sweep.metric.name,
        goal=sweep.metric.goal,
        combinations=combinations(sweep),
        first=() if sweep.method == "bayes" else tuple(enumerate_trials(config)[:show]),
        notices=config.notices,
        search=tuple(_search(sweep)),
        may_end_early=sweep.may_end_early,
    )


def _search(sweep: SweepConfig) -> Iterator[str]:
    """What else steers the search, in words."""
    if sweep.sampler is not None:
        yield f"sampler {sweep.sampler.type}"
    if sweep.pbt is not None:
        yield f"population-based training, compared every {sweep.pbt.interval} epoch(s)"
    if sweep.repeats > 1:
        yield f"{sweep.repeats} trials a configuration, ranked by their mean"
    if sweep.metric.target is not None:
        yield f"ends once {sweep.metric.name} reaches {sweep.metric.target:g}"
    if sweep.max_time is not None:
        yield f"ends after {sweep.max_time:g} s"
    if sweep.max_epochs_total is not None:
        yield f"ends after {sweep.max_epochs_total} epochs in all"


def _absent(config: Config) -> str | None:
    """What is not there and what would come of it; None where all is at hand."""
    for trial in space.distinct(config, "data"):
        data = trial.data
        if isinstance(data, DataTarget) or _is_there(data):
            continue
        stands_in = data.fallback and not space.sweeps("load", config)
        otherwise = f"{data.fallback} would stand in" if stands_in else "stop"
        return (
            f"{data.dataset} is not in {data.resolved_root()}: run would download it, "
            f"and where that fails, {otherwise}"
        )
    return None


def _is_there(data: DataConfig) -> bool:
    return files.dataset_state(data.dataset, data.resolved_root()) == "present"


def _stages(config: Config, tracker: Tracker | None) -> list[PlannedStage]:
    """Each stage once for each distinct setting; what an unknown input decides is not guessed."""
    loaded: dict[str, Loading] = {}

    def loading(trial: Config) -> Loading:
        key = repr(trial.data)
        if key not in loaded:  # the files are read, for their digests
            loaded[key] = _loading(trial.data, tracker)
        return loaded[key]

    bayes = config.sweep.method == "bayes"
    planned: list[PlannedStage] = []
    if bayes and space.sweeps("load", config):
        planned.append(PlannedStage("load", f"{config.data.label}-raw, {FOR_EACH}", None))
    else:
        planned += [loading(trial)[0] for trial in space.distinct(config, "data")]
    if bayes and space.sweeps("preprocess", config):
        name = f"{config.data.label}-preprocess, {FOR_EACH}"
        planned.append(PlannedStage("preprocess", name, None))
    else:
        trials = space.distinct(config, "data", "preprocess")
        planned += [_preprocessing(trial, loading(trial)[1], tracker) for trial in trials]
    if bayes and space.sweeps("initialize", config):
        name = stages.model_name(config.model.model_dump(mode="json"))
        planned.append(PlannedStage("initialize", f"{name}, one for each architecture", None))
        return planned
    return planned + [_initializing(trial, tracker) for trial in space.distinct(config, "model")]


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
