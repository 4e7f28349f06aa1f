"""Drive a sweep to its end: prepare, run the trials, select the best, evaluate it.

Only this module knows the order. A resumed sweep has a past; what is done in it is not repeated.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from raysweep.cluster.resources import Resources
from raysweep.config import Config
from raysweep.events import Evaluating, Observer
from raysweep.search.budget import Budget
from raysweep.search.population import SharedPopulation
from raysweep.search.warm_start import Earlier, WarmStart
from raysweep.selection import NOTHING_CHOSEN
from raysweep.storage.journal import read_journal
from raysweep.sweep import in_wandb
from raysweep.sweep.axes import display_in
from raysweep.sweep.job import Job
from raysweep.sweep.result import Best, Scores, StoredResult, SweepResult, TrialCounts
from raysweep.sweep.winner import choose_winner
from raysweep.tracking.folder import detach
from raysweep.tracking.links import links, unsent
from raysweep.tracking.winners import download
from raysweep.tracking.write_behind import settle_folder
from raysweep.trials.context import TrialContext
from raysweep.trials.gate import Gate
from raysweep.trials.keep_best import KeepBest
from raysweep.trials.progress import Progress
from raysweep.trials.tuning import run_trials
from raysweep.trials.work import Evaluated, Prepared, Workload


@dataclass(frozen=True)
class Drive:
    """How this process drives the sweep. `settings`: see `Settings.values`."""

    resources: Resources
    observer: Observer
    verbose: bool
    earlier: Earlier
    settings: Mapping[str, str | None]
    logs: str
    """The command that shows the log of a run, but for the run."""
    retry_failed: bool = False
    fail_fast: bool = False
    """Whether the first trial that fails ends the sweep."""


def drive(job: Job, config: Config, workload: Workload, how: Drive) -> SweepResult:
    """Drive the sweep from its current state to its end. The result file is written last.

    Of a sweep without a metric it returns a StoredResult, which has no best.
    """
    recorded = (job.past, job.journal, how.observer, job.logs)
    prepared = workload.prepare(job.tracker, job.identity, config, *recorded)
    context = _context(job, config, workload, prepared, how)
    observer = prepared.telling(how.observer)
    best_only = KeepBest(config, job.identity, job.removing)
    keeps_best = config.tracking.keep == "best"

    def ended() -> None:
        if keeps_best:
            best_only.look_now_and_then(lambda: progress.trials)

    progress = Progress(
        config,
        observer,
        job.journal,
        job.checkpoints.forget,
        epochs_of=partial(workload.epochs_of, config),
        ended=ended,
        logs=job.logs,
        fail_fast=how.fail_fast,
    )
    budget = Budget(config.sweep, 0, _elapsed(job), partial(job.journal.write, "budget"))
    warm = _warm_start(job, config, how.earlier, prepared.data)
    if warm is not None:
        how.observer(warm.event)
    known = () if warm is None else warm.trials
    run_trials(
        *(workload, context, how.resources, progress, budget),
        *(job.journal, job.past, job.folder.tune, known),
        observer=observer,
        verbose=how.verbose,
        retry_failed=how.retry_failed,
    )
    workload.complete(context, how.resources, progress)
    if keeps_best:
        best_only.look(progress.trials)
    cached = prepared.cached(how.observer)
    products = workload.products(job.tracker, job.identity, progress.trials)
    best = choose_winner(job.identity, config, progress, products, how.logs)
    report = Evaluated({}, promoted=False, reason=NOTHING_CHOSEN, artifacts={}, file=None)
    if best is not None:
        if (doing := workload.evaluating(config)) is not None:
            how.observer(Evaluating(best.trial, best.artifact, doing))
        asked = (context, how.resources, best.trial, best.artifact)
        report = workload.evaluate(*asked, step=_retries(job))
    shutil.rmtree(job.folder.best, ignore_errors=True)  # left by a driver that died here
    if best is not None and best.artifact is not None:
        download(job.tracker, report.products or (best.artifact,), job.folder.best)
        detach(job.folder.best)
        settle_folder(job.folder.best)
    job.tracker.close_stale(job.identity.name)
    result = (StoredResult if best is None else SweepResult)(
        sweep=job.identity.name,
        project=config.tracking.project,
        tracker=job.tracker.backend,
        artifacts=report.artifacts,
        cached_stages=cached,
        trials=TrialCounts.of(progress.trials),
        best=cast(Best, best),
        test=Scores(report.scores),
        wall_s=job.journal.elapsed_s,
        folder=job.folder.path,
        model_path=None if report.file is None else job.folder.best / report.file,
        promotion=report.reason,
        promoted=report.promoted,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        links=links(job.tracker, job.identity, None if best is None else best.trial)
        | in_wandb.link(job.folder),
        unsent=unsent(job.tracker, job.identity),
        rows=tuple(progress.trials),
        ended_by=budget.ended_by,
        repeats=config.sweep.repeats,
        warm_start=None if warm is None else warm.event,
        display=display_in(config.kind, config.to_dict()),
    )
    job.settle()
    job.folder.write_result(result.to_json())
    shutil.rmtree(job.folder.checkpoints, ignore_errors=True)
    if keeps_best:
        best_only.drop_checkpoints()
    return cast(SweepResult, result)


def _elapsed(job: Job) -> Callable[[], float]:
    journal = job.journal
    return lambda: journal.elapsed_s


def _warm_start(job: Job, config: Config, earlier: Earlier, data: str | None) -> WarmStart | None:
    """Read what the sampler learns from before the first trial: from the journal if it is there,
    since the earlier sweeps may have changed, and the sampler's suggestions depend on it."""
    noted = job.past.of("warm_start")
    if noted:
        return WarmStart.from_json(config, noted[0])
    warm = earlier.read(config, job.tracker, data)
    if warm is not None:
        job.journal.write("warm_start", **warm.to_json())
    return warm


def _context(
    job: Job, config: Config, workload: Workload, prepared: Prepared, how: Drive
) -> TrialContext:
    pbt, halving = config.sweep.pbt, config.sweep.early_terminate
    return TrialContext(
        sweep=job.identity,
        tracker=job.tracker,
        config=config,
        versions=prepared.versions,
        inputs=job.inputs,
        metric=config.sweep.metric.name,
        goal=config.sweep.metric.goal,
        threads=how.resources.threads,
        gpus=how.resources.gpus,
        checkpoints=job.checkpoints,
        population=None if pbt is None else SharedPopulation(config, job.folder.journal),
        gate=None
        if halving is None or halving.order != "sweep"
        else Gate(config, workload.most_epochs(config)),
        settings=how.settings,
        resumed=bool(job.past.events),
        logs=job.logs,
        fail_fast=how.fail_fast,
    )


def _retries(job: Job) -> int:
    """Return how many failed trials were run again so far."""
    return sum(event["event"] == "retry" for event in read_journal(job.folder.journal))
