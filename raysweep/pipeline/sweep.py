"""A sweep from end to end: stages, trials, selection, report. The only file that knows the order."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raysweep.config import Config, load_config
from raysweep.errors import Interrupted, SweepFailed, UserError
from raysweep.pipeline import cluster, preflight, search, space, stages
from raysweep.pipeline.architectures import OneArchitecture, SweptArchitectures
from raysweep.pipeline.evaluator import Evaluator, Report
from raysweep.pipeline.events import Evaluating, Observer, StageFinished, SweepStarted, silent
from raysweep.pipeline.progress import Progress
from raysweep.pipeline.remote import get, open_tracker
from raysweep.pipeline.result import Best, Scores, SweepResult, TrialCounts, ranked
from raysweep.pipeline.selection import best_trial
from raysweep.pipeline.stages import StageOutcome, SweepIdentity
from raysweep.pipeline.storage import Storage, SweepFolder, SweepRecord, new_sweep_name
from raysweep.pipeline.trainable import TrialTrainable
from raysweep.pipeline.trial import TrialContext
from raysweep.tracking import Choice, Tracker, choose


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
    with cluster.connect(address, local_mode=local_mode, verbose=verbose):
        trials = space.trial_count(config)
        resources = cluster.resources(config, trials)
        job = _start(config, place, choice, name or new_sweep_name(config.sweep.name or config.data.dataset))
        observer(
            SweepStarted(
                sweep=job.identity.name,
                folder=job.folder.path,
                tracker=choice.backend,
                reason=choice.reason,
                trials=trials,
                epochs=config.train.epochs,
                concurrent=resources.concurrent,
                cpus=resources.cpus,
                gpus=resources.gpus,
                metric=config.sweep.metric.name,
                goal=config.sweep.metric.goal,
            )
        )
        try:
            return _run(job, config, resources, verbose, observer, started)
        except UserError:
            job.undo()
            raise
        except KeyboardInterrupt:
            raise Interrupted(job.interrupted()) from None
        finally:
            job.close()


@dataclass(frozen=True)
class _Job:
    """A sweep under way: what it is, where it lives, who records it."""

    identity: SweepIdentity
    folder: SweepFolder
    tracker: Tracker
    storage_was_there: bool

    def undo(self) -> None:
        """The input was wrong: leave nothing behind."""
        shutil.rmtree(self.folder.path, ignore_errors=True)
        if not self.storage_was_there:
            shutil.rmtree(self.folder.path.parent, ignore_errors=True)

    def interrupted(self) -> str:
        return (
            f"interrupted: {self.identity.name} has no best; finished stages and trials are kept, "
            "and the next `python -m raysweep run` reuses the stages"
        )

    def close(self) -> None:
        """Runs that nobody finished are marked as crashed; what only the sweep needed goes."""
        self.tracker.close_stale(self.identity.name)
        self.tracker.close()
        for folder in (self.folder.inputs, self.folder.tune):
            shutil.rmtree(folder, ignore_errors=True)


def _as_config(config: Config | Mapping[str, Any] | str | Path | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config.from_dict(config)
    return load_config(None if config is None else Path(config))


def _start(config: Config, place: Storage, choice: Choice, name: str) -> _Job:
    tracking = config.tracking
    was_there = place.root.exists()
    record = SweepRecord.new(name, tracking.project, tracking.entity, choice.backend)
    folder = place.create(record, config.to_dict())
    tracker = open_tracker(choice.backend, place.tracker, tracking.project, tracking.entity)
    identity = SweepIdentity(name, record.id, tuple(tracking.tags))
    return _Job(identity, folder, tracker, was_there)


def _run(
    job: _Job,
    config: Config,
    resources: cluster.Resources,
    verbose: bool,
    observer: Observer,
    started: float,
) -> SweepResult:
    outcomes, architectures = _run_stages(job, config, observer)
    data = next(o.artifact for o in outcomes if o.stage == "preprocess")
    context = TrialContext(
        sweep=job.identity,
        tracker=job.tracker,
        config=config,
        data=data,
        model=architectures,
        inputs=job.folder.inputs,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        threads=resources.threads,
    )
    progress = Progress(config, observer)
    _run_trials(context, resources, progress, job.folder.tune, verbose)
    if isinstance(architectures, SweptArchitectures):
        outcomes += architectures.outcomes()
    best = _select(job, config, progress)
    observer(Evaluating(best.trial, best.artifact))
    report = _evaluate(job, config, resources, data.ref, best.artifact)
    shutil.rmtree(job.folder.best, ignore_errors=True)
    model = job.tracker.download(best.artifact, job.folder.best)
    used = model.metadata["used"]
    raw = next(o.artifact for o in outcomes if o.stage == "load")
    metric = config.sweep.metric
    result = SweepResult(
        sweep=job.identity.name,
        project=config.tracking.project,
        tracker=job.tracker.backend,
        artifacts={raw.name: raw.version, **used},
        cached_stages=_cached(outcomes),
        trials=TrialCounts.of(progress.trials),
        best=best,
        test=Scores(report.loss, report.accuracy),
        wall_s=time.monotonic() - started,
        folder=job.folder.path,
        model_path=job.folder.best / "trained_model.pth",
        promotion=report.reason,
        metric=metric.name,
        goal=metric.goal,
        rows=tuple(progress.trials),
    )
    job.folder.write_result(result.to_json())
    return result


def _run_stages(
    job: _Job, config: Config, observer: Observer
) -> tuple[list[StageOutcome], OneArchitecture | SweptArchitectures]:
    """Load, then preprocess, with initialize beside them: Ray tasks, each run once."""

    def told(outcome: StageOutcome) -> StageOutcome:
        observer(
            StageFinished(outcome.stage, outcome.artifact.ref, outcome.cached, outcome.warning)
        )
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


def _task(function: Any) -> Any:
    """A stage as a Ray task. It is not retried: a stage that failed once says why."""
    return ray.remote(function).options(num_cpus=1, max_retries=0)


def _run_trials(
    context: TrialContext,
    resources: cluster.Resources,
    progress: Progress,
    folder: Path,
    verbose: bool,
) -> None:
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, context=context),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    config = context.config
    tuner = tune.Tuner(
        trainable,
        param_space=search.param_space(config),
        tune_config=tune.TuneConfig(
            search_alg=search.algorithm(config),
            scheduler=search.scheduler(config),
            num_samples=search.samples(config),
            max_concurrent_trials=resources.concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            callbacks=[progress],
            verbose=1 if verbose else 0,
        ),
    )
    tuner.fit()
    if any(trial.state == "running" for trial in progress.trials):
        raise KeyboardInterrupt  # Tune takes Ctrl-C itself, and returns


def _select(job: _Job, config: Config, progress: Progress) -> Best:
    """The winner and its model. Raises SweepFailed, with the causes, where there is none."""
    metric = config.sweep.metric
    rows = {row.index: row for row in progress.trials}
    candidates = [row.candidate() for row in rows.values()]
    winner = best_trial(candidates, metric.name, metric.goal)
    if winner is None or winner.best is None:
        counts = TrialCounts.of(progress.trials)
        causes = sorted({row.error for row in rows.values() if row.error})
        raise SweepFailed(
            f"no trial of {job.identity.name} finished with a finite {metric.name} "
            f"({counts.failed} of {counts.total} failed)"
            + (f"; first cause: {causes[0]}" if causes else "")
        )
    row = rows[winner.index]
    run = job.tracker.run(f"{job.identity.id}-{row.name}")
    model = next(ref for ref in reversed(run.logged) if ref.startswith("trained-model:"))
    return Best(row.name, model, dict(row.overrides), dict(winner.best))


def _evaluate(
    job: _Job, config: Config, resources: cluster.Resources, data: str, model: str
) -> Report:
    metric = config.sweep.metric
    actor = ray.remote(Evaluator).options(num_cpus=resources.cpus, num_gpus=resources.gpus)
    evaluator = actor.remote(job.tracker, job.identity, job.folder.inputs, resources.threads)
    report: Report = get(
        evaluator.report.remote(data, model, metric.name, metric.goal, config.tracking.promote)
    )
    ray.kill(evaluator)
    return report


def _cached(outcomes: list[StageOutcome]) -> tuple[str, ...]:
    """A stage counts as reused when none of its versions had to be made."""
    names = list(dict.fromkeys(outcome.stage for outcome in outcomes))
    return tuple(n for n in names if all(o.cached for o in outcomes if o.stage == n))
