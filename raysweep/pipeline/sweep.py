"""A sweep from end to end: stages, trials, selection, report. Only here is the order known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raysweep.config import Config, load_config
from raysweep.errors import Interrupted, SweepFailed
from raysweep.pipeline import cluster, preflight, space, stages
from raysweep.pipeline.architectures import OneArchitecture, SweptArchitectures
from raysweep.pipeline.cluster import Resources
from raysweep.pipeline.context import TRAINED_MODEL, TrialContext
from raysweep.pipeline.evaluator import Evaluator, Report
from raysweep.pipeline.events import Evaluating, Observer, StageFinished, SweepStarted, silent
from raysweep.pipeline.job import Job
from raysweep.pipeline.progress import Progress
from raysweep.pipeline.remote import as_actor, as_task, get
from raysweep.pipeline.result import Best, Scores, SweepResult, TrialCounts
from raysweep.pipeline.selection import best_trial
from raysweep.pipeline.stages import StageOutcome
from raysweep.pipeline.storage import Storage, new_sweep_name
from raysweep.pipeline.tuning import run_trials
from raysweep.tracking import Choice, choose
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
) -> SweepResult:
    """Run a sweep from raw data to a model tagged `best`: what `python -m raysweep run` calls.

    `config` is a Config, a mapping of its sections, the path of a YAML file, or None for the
    default MNIST sweep. `storage` overrides the config's. `address` joins a running Ray cluster;
    without it Ray is started on this machine, unless the process has initialised it already, and
    shut down afterwards. `observer` is called with every event, in this process.

    Raises UserError where the input is wrong (nothing is left behind), SweepFailed where no trial
    gave a model, Interrupted where the user stopped it.
    """
    started = time.monotonic()
    config = _as_config(config)
    place = Storage(Path(storage or config.storage))
    choice = choose(config.tracking.backend)
    preflight.check(config, place, name, choice.backend)
    name = name or new_sweep_name(config.sweep.name or "sweep")
    try:
        with cluster.connect(address, local_mode=local_mode, verbose=verbose):
            resources = cluster.resources(config, space.trial_count(config))
            with Job.start(config, place, choice.backend, name) as job:
                observer(_announcement(job, config, choice, resources))
                result = _run(job, config, resources, verbose, observer, started)
                job.folder.write_result(result.to_json())
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


def _announcement(job: Job, config: Config, choice: Choice, resources: Resources) -> SweepStarted:
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
    )


def _run(
    job: Job,
    config: Config,
    resources: Resources,
    verbose: bool,
    observer: Observer,
    started: float,
) -> SweepResult:
    outcomes, architectures = _run_stages(job, config, observer)
    loaded, preprocessed = outcomes[0], outcomes[1]
    config = _with_dataset(config, loaded)
    metric = config.sweep.metric
    context = TrialContext(
        sweep=job.identity,
        tracker=job.tracker,
        config=config,
        data=preprocessed.artifact,
        model=architectures,
        inputs=job.folder.inputs,
        metric=metric.name,
        goal=metric.goal,
        threads=resources.threads,
    )
    progress = Progress(config, observer)
    run_trials(context, resources, progress, job.folder.tune, verbose)
    if isinstance(architectures, SweptArchitectures):
        outcomes += architectures.outcomes()
    best = _select(job, config, progress)
    observer(Evaluating(best.trial, best.artifact))
    report = _evaluate(job, config, resources, preprocessed.artifact.ref, best.artifact)
    model = job.tracker.download(best.artifact, job.folder.best)
    detach(job.folder.best)
    return SweepResult(
        sweep=job.identity.name,
        project=config.tracking.project,
        tracker=job.tracker.backend,
        artifacts={loaded.artifact.name: loaded.artifact.version, **model.metadata["used"]},
        cached_stages=_cached(outcomes),
        trials=TrialCounts.of(progress.trials),
        best=best,
        test=Scores(report.loss, report.accuracy),
        wall_s=time.monotonic() - started,
        folder=job.folder.path,
        model_path=job.folder.best / TRAINED_MODEL,
        promotion=report.reason,
        metric=metric.name,
        goal=metric.goal,
        rows=tuple(progress.trials),
    )


def _run_stages(
    job: Job, config: Config, observer: Observer
) -> tuple[list[StageOutcome], OneArchitecture | SweptArchitectures]:
    """Load, then preprocess, with initialize beside them: Ray tasks, each run once."""

    def told(outcome: StageOutcome) -> StageOutcome:
        ref = outcome.artifact.ref
        observer(StageFinished(outcome.stage, ref, outcome.cached, outcome.warning))
        return outcome

    tracker, sweep = job.tracker, job.identity
    model = config.model.model_dump(mode="json")
    swept = space.sweeps_the_model(config)
    initializing = None if swept else _task(stages.initialize).remote(tracker, sweep, model)
    raw = told(get(_task(stages.load).remote(tracker, sweep, config)))
    preprocessing = _task(stages.preprocess).remote(tracker, sweep, config, raw.artifact)
    outcomes = [raw, told(get(preprocessing))]
    if initializing is None:
        return outcomes, SweptArchitectures(tracker, sweep)
    outcomes.append(told(get(initializing)))
    return outcomes, OneArchitecture(outcomes[-1].artifact)


def _task(stage: Callable[..., StageOutcome]) -> Any:
    """It is not retried: a stage that failed once says why."""
    return as_task(stage, num_cpus=1, max_retries=0)


def _with_dataset(config: Config, loaded: StageOutcome) -> Config:
    """The config with the data set that was really loaded: the fallback may stand in."""
    if loaded.warning is None:
        return config
    data = config.data.model_copy(update={"dataset": config.data.fallback})
    return config.model_copy(update={"data": data})


def _select(job: Job, config: Config, progress: Progress) -> Best:
    """The winner and its model. Raises SweepFailed, with a cause, where there is none."""
    metric = config.sweep.metric
    rows = {row.index: row for row in progress.trials}
    candidates = [row.candidate() for row in rows.values()]
    winner = best_trial(candidates, metric.name, metric.goal)
    if winner is None or winner.best is None:
        counts = TrialCounts.of(progress.trials)
        causes = [f"{row.name}: {row.error}" for row in rows.values() if row.error]
        raise SweepFailed(
            f"no trial of {job.identity.name} finished with a finite {metric.name} "
            f"({counts.failed} of {counts.total} failed)" + (f"; {causes[0]}" if causes else "")
        )
    row = rows[winner.index]
    run = job.tracker.run(job.identity.run_id(row.name))
    model = next(ref for ref in reversed(run.logged) if ref.startswith("trained-model:"))
    return Best(row.name, model, dict(row.overrides), dict(winner.best))


def _evaluate(job: Job, config: Config, resources: Resources, data: str, model: str) -> Report:
    metric = config.sweep.metric
    actor = as_actor(Evaluator, num_cpus=resources.cpus, num_gpus=resources.gpus)
    evaluator = actor.remote(job.tracker, job.identity, job.folder.inputs, resources.threads)
    report: Report = get(
        evaluator.report.remote(data, model, metric.name, metric.goal, config.tracking.promote)
    )
    return report


def _cached(outcomes: list[StageOutcome]) -> tuple[str, ...]:
    """A stage counts as reused when none of its versions had to be made."""
    names = list(dict.fromkeys(outcome.stage for outcome in outcomes))
    return tuple(n for n in names if all(o.cached for o in outcomes if o.stage == n))
