"""A sweep from end to end: stages, trials, selection, report. Only here is the order known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raysweep.config import Config, DataConfig, DataTarget, load_config
from raysweep.errors import Interrupted
from raysweep.ml import files
from raysweep.pipeline import cluster, preflight, signals, space, stages
from raysweep.pipeline.budget import Budget
from raysweep.pipeline.cluster import Resources
from raysweep.pipeline.context import TRAINED_MODEL, TrialContext
from raysweep.pipeline.evaluator import Evaluator, Report, data_of
from raysweep.pipeline.events import Evaluating, Observer, StageFinished, SweepStarted, silent
from raysweep.pipeline.habits import with_project
from raysweep.pipeline.job import Job, job
from raysweep.pipeline.links import links, unsent
from raysweep.pipeline.open_storage import open_storage
from raysweep.pipeline.population import SharedPopulation
from raysweep.pipeline.progress import Progress
from raysweep.pipeline.remote import as_actor, as_task, on_this_node, wait_for
from raysweep.pipeline.result import Scores, SweepResult, TrialCounts
from raysweep.pipeline.stages import StageOutcome
from raysweep.pipeline.storage import Storage, new_sweep_name
from raysweep.pipeline.tuning import run_trials
from raysweep.pipeline.versions import FixedVersions, SweptVersions, TrialVersions
from raysweep.pipeline.warm_start import Earlier
from raysweep.pipeline.winner import choose_winner
from raysweep.tracking import ArtifactVersion, Choice, Tracker, choose, connect
from raysweep.tracking.folder import detach


def run_sweep(
    config: Config | Mapping[str, Any] | str | Path | None = None,
    *,
    name: str | None = None,
    storage: str | Path | None = None,
    address: str | None = None,
    local_mode: bool = False,
    verbose: bool = False,
    observer: Observer = silent,
    warm_start: Sequence[str] = (),
) -> SweepResult:
    """Run a sweep from raw data to a model tagged `best`: what `python -m raysweep run` calls.

    `config` is a Config, a mapping of its sections, the path of a YAML file, or None for the
    default MNIST sweep. `storage` overrides the config's. `address` joins a running Ray cluster;
    without it Ray is started on this machine, unless the process has initialised it already, and
    shut down afterwards. `observer` is called with every event, in this process. `warm_start` names
    earlier sweeps of the storage, whose completed trials the sampler of method bayes starts from.

    Raises UserError where the input is wrong (nothing is left behind), SweepFailed where no trial
    gave a model, Interrupted where the user stopped it.
    """
    config = with_project(_as_config(config))
    with open_storage(storage or config.storage, f"sweep {name or config.sweep.name}") as place:
        result = _run_in(place, config, name, address, local_mode, verbose, observer, warm_start)
        return result.at(place)


def _run_in(
    place: Storage,
    config: Config,
    name: str | None,
    address: str | None,
    local_mode: bool,
    verbose: bool,
    observer: Observer,
    warm_start: Sequence[str],
) -> SweepResult:
    """The sweep in a folder of this machine."""
    started = time.monotonic()
    choice = choose(config.tracking.backend)
    preflight.check(config, place, name)
    earlier = Earlier(place, tuple(warm_start))
    earlier.check(config)
    tracking = config.tracking
    url = connect(tracking.project, tracking.entity) if choice.backend == "wandb" else None
    name = name or new_sweep_name(config.sweep.name or "sweep")
    try:
        ray_there = cluster.connect(
            address, local_mode=local_mode, verbose=verbose, modules=config.own_modules()
        )
        with signals.watched(), ray_there:
            resources = cluster.resources(config, space.trial_count(config))
            config, warning = _with_data(config)
            with job(config, place, choice.backend, name) as this:
                observer(_announcement(this, config, choice, url, resources, warning))
                result = _run(this, config, resources, verbose, observer, started, earlier)
                this.folder.write_result(result.to_json())
                return result
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {name} has no best; finished stages and trials are kept, "
            "and the next `python -m raysweep run` reuses the stages"
        ) from None


def _as_config(config: Config | Mapping[str, Any] | str | Path | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config.from_dict(config)
    return load_config(None if config is None else Path(config))


def _with_data(config: Config) -> tuple[Config, str | None]:
    """The config with the data set that is really there, at a root that every process understands.

    A download, if need be, is a task beside the driver: the files are the user's, and theirs.
    Nothing stands in for one of several data sets that are compared.
    """
    if isinstance(config.data, DataTarget):
        return config, None
    root = str(config.data.resolved_root().absolute())
    config = config.model_copy(update={"data": config.data.model_copy(update={"root": root})})
    if space.sweeps("load", config):
        for each in space.distinct(config, "data"):
            assert isinstance(each.data, DataConfig)
            _at_hand(each.data.model_copy(update={"fallback": None}))
        return config, None
    assert isinstance(config.data, DataConfig)
    data, warning = _at_hand(config.data)
    return config.model_copy(update={"data": data}), warning


def _at_hand(data: DataConfig) -> tuple[DataConfig, str | None]:
    if files.dataset_state(data.dataset, data.resolved_root()) == "present":
        return data, None
    obtained: tuple[DataConfig, str | None] = wait_for(
        _task(stages.obtain, **on_this_node()).remote(data)
    )
    return obtained


def _announcement(
    job: Job,
    config: Config,
    choice: Choice,
    url: str | None,
    resources: Resources,
    warning: str | None,
) -> SweepStarted:
    return SweepStarted(
        sweep=job.identity.name,
        folder=job.folder.path,
        tracker=choice.backend,
        reason=choice.reason,
        trials=space.trial_count(config),
        epochs=space.longest_epochs(config),
        concurrent=resources.concurrent,
        cpus=resources.cpus,
        gpus=resources.gpus,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        url=url,
        warning=warning,
        repeats=config.sweep.repeats,
        may_end_early=config.sweep.may_end_early,
        notices=config.notices,
    )


def _run(
    job: Job,
    config: Config,
    resources: Resources,
    verbose: bool,
    observer: Observer,
    started: float,
    earlier: Earlier,
) -> SweepResult:
    outcomes, versions = _run_stages(job, config, observer)
    metric = config.sweep.metric
    context = TrialContext(
        sweep=job.identity,
        tracker=job.tracker,
        config=config,
        versions=versions,
        inputs=job.folder.inputs,
        metric=metric.name,
        goal=metric.goal,
        threads=resources.threads,
        gpus=resources.gpus,
        population=None if config.sweep.pbt is None else SharedPopulation(config),
    )
    progress = Progress(config, observer)
    budget = Budget(config.sweep, started)
    warm = earlier.read(config, job.tracker, _data_of_all(outcomes))
    if warm is not None:
        observer(warm.told)
    known = () if warm is None else warm.trials
    run_trials(context, resources, progress, budget, job.folder.tune, verbose, known)
    if isinstance(versions, SweptVersions):
        told, outcomes = len(outcomes), versions.outcomes()
        for each in outcomes[told:]:
            observer(StageFinished(each.stage, each.artifact.ref, each.cached))
    best = choose_winner(job.tracker, job.identity, config, progress)
    observer(Evaluating(best.trial, best.artifact))
    report = _evaluate(context, resources, best.artifact)
    model = job.tracker.download(best.artifact, job.folder.best)
    detach(job.folder.best)
    job.tracker.close_stale(job.identity.name)
    return SweepResult(
        sweep=job.identity.name,
        project=config.tracking.project,
        tracker=job.tracker.backend,
        artifacts={**_raw_of(job.tracker, model), **model.metadata["used"]},
        cached_stages=_cached(outcomes),
        trials=TrialCounts.of(progress.trials),
        best=best,
        test=Scores(report.scores),
        wall_s=time.monotonic() - started,
        folder=job.folder.path,
        model_path=job.folder.best / TRAINED_MODEL,
        promotion=report.reason,
        metric=metric.name,
        goal=metric.goal,
        links=links(job.tracker, job.identity, best.trial),
        unsent=unsent(job.tracker, job.identity),
        rows=tuple(progress.trials),
        ended_by=budget.ended_by,
        repeats=config.sweep.repeats,
        warm_start=None if warm is None else warm.told,
    )


def _run_stages(
    job: Job, config: Config, observer: Observer
) -> tuple[list[StageOutcome], FixedVersions | SweptVersions]:
    """Load, preprocess, initialize: Ray tasks, each run once; a swept one when a trial asks.

    One after the other they share a process, and `import torch`, which is most of what they take.
    """
    tracker, sweep = job.tracker, job.identity
    outcomes: list[StageOutcome] = []

    def run(stage: str, task: Any, *arguments: Any) -> None:
        if space.sweeps(stage, config):
            return
        outcome: StageOutcome = wait_for(task.remote(tracker, sweep, *arguments))
        observer(StageFinished(outcome.stage, outcome.artifact.ref, outcome.cached))
        outcomes.append(outcome)

    run("load", _task(stages.load, **on_this_node()), config)
    if outcomes:
        run("preprocess", _task(stages.preprocess), config, outcomes[0].artifact)
    run("initialize", _task(stages.initialize), config)
    if len(outcomes) == len(space.DEPENDS):
        _, data, model = (outcome.artifact for outcome in outcomes)
        return outcomes, FixedVersions(TrialVersions(data, model))
    return outcomes, SweptVersions(tracker, sweep, config, outcomes)


def _data_of_all(outcomes: list[StageOutcome]) -> str | None:
    """The data that every trial uses, `name:vK`; None where it is swept."""
    return next((each.artifact.ref for each in outcomes if each.stage == "preprocess"), None)


def _raw_of(tracker: Tracker, model: ArtifactVersion) -> dict[str, str]:
    """The raw data that a model's data was made of."""
    name, _, version = str(tracker.artifact(data_of(model)).metadata["raw"]).partition(":")
    return {name: version}


def _task(stage: Callable[..., Any], **options: Any) -> Any:
    """It is not retried: a stage that failed once says why."""
    return as_task(stage, num_cpus=1, max_retries=0, **options)


def _evaluate(context: TrialContext, resources: Resources, model: str) -> Report:
    actor = as_actor(Evaluator, num_cpus=resources.cpus, num_gpus=resources.gpus)
    report: Report = wait_for(actor.remote(context).report.remote(model))
    return report


def _cached(outcomes: list[StageOutcome]) -> tuple[str, ...]:
    """A stage counts as reused when none of its versions had to be made."""
    names = list(dict.fromkeys(outcome.stage for outcome in outcomes))
    return tuple(n for n in names if all(o.cached for o in outcomes if o.stage == n))
