"""Driving a sweep to its end: stages, trials, selection, report. Only here is the order known.

A new sweep has no past. One that is resumed has, and what its past says is done is not done again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from raysweep.cluster.cluster import Resources
from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_actor, as_task, wait_for
from raysweep.config import Config
from raysweep.errors import WorkerDied
from raysweep.events import Evaluating, Observer, StageFinished
from raysweep.search import space
from raysweep.search.budget import Budget
from raysweep.search.population import SharedPopulation
from raysweep.search.warm_start import Earlier, WarmStart
from raysweep.stages import stages
from raysweep.stages.stages import StageOutcome
from raysweep.stages.versions import (
    STAGE_RETRIES,
    FixedVersions,
    SweptVersions,
    TrialVersions,
    died,
)
from raysweep.storage.journal import read_journal
from raysweep.sweep.evaluator import Evaluator, Report
from raysweep.sweep.job import Job
from raysweep.sweep.promotion import data_of
from raysweep.sweep.result import Scores, SweepResult, TrialCounts
from raysweep.sweep.winner import choose_winner
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.folder import detach
from raysweep.tracking.links import links, unsent
from raysweep.tracking.write_behind import settle_folder
from raysweep.trials.context import TRAINED_MODEL, TrialContext
from raysweep.trials.gate import Gate
from raysweep.trials.models import log_lacking_models
from raysweep.trials.progress import Progress
from raysweep.trials.training.workload import Training
from raysweep.trials.tuning import run_trials


@dataclass(frozen=True)
class Drive:
    """How this process drives the sweep."""

    resources: Resources
    observer: Observer
    verbose: bool
    earlier: Earlier
    precision: str | None
    """What `train.precision: auto` means in this sweep."""
    retry_failed: bool = False


def drive(job: Job, config: Config, how: Drive) -> SweepResult:
    """From where the sweep stands to its end; the result is written last."""
    outcomes, versions = _run_stages(job, config, how.observer)
    context = _context(job, config, versions, how)
    progress = Progress(config, how.observer, job.journal, job.checkpoints.forget)
    budget = Budget(config.sweep, 0, _elapsed(job), partial(job.journal.write, "budget"))
    warm = _warm_start(job, config, how.earlier, outcomes)
    if warm is not None:
        how.observer(warm.told)
    known = () if warm is None else warm.trials
    run_trials(
        *(context, how.resources, progress, budget, job.journal, job.past, job.folder.tune, known),
        observer=how.observer,
        verbose=how.verbose,
        retry_failed=how.retry_failed,
    )
    log_lacking_models(context, how.resources, progress)
    if isinstance(versions, SweptVersions):
        told, outcomes = len(outcomes), versions.outcomes()
        for each in outcomes[told:]:
            how.observer(StageFinished(each.stage, each.artifact.ref, each.cached))
    best = choose_winner(job.tracker, job.identity, config, progress)
    how.observer(Evaluating(best.trial, best.artifact))
    report = _evaluate(context, how.resources, best.artifact, step=_retries(job))
    shutil.rmtree(job.folder.best, ignore_errors=True)  # of a process that died here
    model = job.tracker.download(best.artifact, job.folder.best)
    detach(job.folder.best)
    settle_folder(job.folder.best)
    job.tracker.close_stale(job.identity.name)
    result = SweepResult(
        sweep=job.identity.name,
        project=config.tracking.project,
        tracker=job.tracker.backend,
        artifacts={**_raw_of(job.tracker, model), **model.metadata["used"]},
        cached_stages=_cached(outcomes),
        trials=TrialCounts.of(progress.trials),
        best=best,
        test=Scores(report.scores),
        wall_s=job.journal.elapsed_s,
        folder=job.folder.path,
        model_path=job.folder.best / TRAINED_MODEL,
        promotion=report.reason,
        promoted=report.promoted,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        links=links(job.tracker, job.identity, best.trial),
        unsent=unsent(job.tracker, job.identity),
        rows=tuple(progress.trials),
        ended_by=budget.ended_by,
        repeats=config.sweep.repeats,
        warm_start=None if warm is None else warm.told,
    )
    job.settle()
    job.folder.write_result(result.to_json())
    shutil.rmtree(job.folder.checkpoints, ignore_errors=True)
    return result


def _elapsed(job: Job) -> Callable[[], float]:
    journal = job.journal
    return lambda: journal.elapsed_s


def _warm_start(
    job: Job, config: Config, earlier: Earlier, outcomes: list[StageOutcome]
) -> WarmStart | None:
    """As the journal has it, for a sampler that knew more or less would suggest something else."""
    noted = job.past.of("warm_start")
    if noted:
        return WarmStart.from_json(config, noted[0])
    warm = earlier.read(config, job.tracker, _data_of_all(outcomes))
    if warm is not None:
        job.journal.write("warm_start", **warm.to_json())
    return warm


def _context(
    job: Job, config: Config, versions: FixedVersions | SweptVersions, how: Drive
) -> TrialContext:
    pbt, halving = config.sweep.pbt, config.sweep.early_terminate
    return TrialContext(
        workload=Training(),
        sweep=job.identity,
        tracker=job.tracker,
        config=config,
        versions=versions,
        inputs=job.inputs,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        threads=how.resources.threads,
        gpus=how.resources.gpus,
        checkpoints=job.checkpoints,
        population=None if pbt is None else SharedPopulation(config, job.folder.journal),
        gate=Gate(config) if halving is not None and halving.order == "sweep" else None,
        precision=how.precision,
        resumed=bool(job.past.events),
    )


def _run_stages(
    job: Job, config: Config, observer: Observer
) -> tuple[list[StageOutcome], FixedVersions | SweptVersions]:
    """Load, preprocess, initialize: Ray tasks, each run once; a swept one when a trial asks.

    One after the other they share a process, and `import torch`, which is most of what they take.
    """
    tracker, sweep, done = job.tracker, job.identity, job.past.stages()
    outcomes: list[StageOutcome] = []

    def run(stage: str, task: Any, *arguments: Any) -> None:
        if space.sweeps(stage, config):
            return
        if stage in done:
            ref, cached = done[stage]["ref"], done[stage]["cached"]
            outcome = StageOutcome(stage, tracker.artifact(ref), cached=cached)
            observer(StageFinished(stage, ref, cached=True))
        else:
            try:
                outcome = wait_for(task.remote(tracker, sweep, *arguments))
            except WorkerDied as error:
                raise died(stage, config) from error
            job.journal.write("stage", stage=stage, ref=outcome.artifact.ref, cached=outcome.cached)
            observer(StageFinished(outcome.stage, outcome.artifact.ref, outcome.cached))
        outcomes.append(outcome)

    run("load", _task(stages.load, num_cpus=0, **on_this_node()), config)
    if outcomes:
        run("preprocess", _task(stages.preprocess), config, outcomes[0].artifact)
    common = None if space.sweeps("preprocess", config) else outcomes[-1].artifact
    run("initialize", _task(stages.initialize), config, common)
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


def _task(stage: Callable[..., Any], *, num_cpus: int = 1, **options: Any) -> Any:
    """One that has to run on this node reserves no CPU: the head of a cluster often offers none."""
    return as_task(stage, num_cpus=num_cpus, max_retries=STAGE_RETRIES, **options)


def _retries(job: Job) -> int:
    """How many trials were run again after they had failed, so far."""
    return sum(event["event"] == "retry" for event in read_journal(job.folder.journal))


def _evaluate(context: TrialContext, resources: Resources, model: str, step: int) -> Report:
    """Scored by an actor. Where its process dies another does it all again, as the same run."""
    actor = as_actor(Evaluator, num_cpus=resources.cpus, num_gpus=resources.gpus)
    deaths = 0
    while True:
        try:
            report: Report = wait_for(actor.remote(context).report.remote(model, step))
            return report
        except WorkerDied:
            deaths += 1
            if deaths > STAGE_RETRIES:
                raise


def _cached(outcomes: list[StageOutcome]) -> tuple[str, ...]:
    """A stage counts as reused when none of its versions had to be made."""
    names = list(dict.fromkeys(outcome.stage for outcome in outcomes))
    return tuple(n for n in names if all(o.cached for o in outcomes if o.stage == n))
