"""Run the trials of a sweep with Ray Tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial
from ray import tune
from ray.tune.search import ConcurrencyLimiter

from raysweep.cluster import signals
from raysweep.cluster.nodes import in_one_process
from raysweep.cluster.resources import Resources
from raysweep.cluster.tune_internals import keep_workers
from raysweep.events import Observer, silent
from raysweep.search import search
from raysweep.search.budget import Budget
from raysweep.search.space import unlimited_trial_count
from raysweep.search.spec import TrialSpec
from raysweep.storage.journal import Journal
from raysweep.storage.past import Past
from raysweep.trials.context import TrialContext
from raysweep.trials.forgetting import Forgetting
from raysweep.trials.growth import Growth
from raysweep.trials.progress import Progress
from raysweep.trials.replay import Replay
from raysweep.trials.trainable import TrialTrainable
from raysweep.trials.work import Workload

NO_LIMIT = 2**31
"""The number of trials that Tune asks for. The searcher ends earlier: it knows the real number."""


class _NoReports(tune.ProgressReporter):
    """Keep Tune from clearing the output of a notebook's cell, which it does even when it says
    nothing: what is there is the sweep's own progress."""

    def setup(self, *args: object, **kwargs: object) -> None:
        """Do nothing."""

    def should_report(self, *args: object, **kwargs: object) -> bool:
        """Never report."""
        return False


def run_trials(
    workload: Workload,
    context: TrialContext,
    resources: Resources,
    progress: Progress,
    budget: Budget,
    journal: Journal,
    past: Past,
    folder: Path,
    known: Sequence[FrozenTrial] = (),
    *,
    observer: Observer = silent,
    verbose: bool = False,
    retry_failed: bool = False,
) -> None:
    """Run every trial that the budget allows, continuing where `past` ends. Return when all have
    ended.

    progress: records each trial. A failed trial is recorded, and the sweep continues.
    folder: where Tune keeps its own state.
    known: earlier trials that the sampler learns from before the first one.
    retry_failed: run the trials that failed in `past` again.
    Raises KeyboardInterrupt where the user stopped the sweep, and Hopeless where too many trials in
    a row failed for the same cause.
    """
    config = context.config

    def note(spec: TrialSpec) -> None:
        values = dict(spec.overrides)
        journal.write("trial", index=spec.index, values=values, repeat=spec.repeat)

    longest = workload.most_epochs(config)
    order = search.sweep_order(config, longest, context.gate.say) if context.gate else None
    searcher = search.algorithm(config, budget, known, note, order, progress.failures)
    scheduler, stopper = search.scheduler(config, longest, order), search.stopper(config, budget)
    replay = Replay(searcher, scheduler, stopper, budget, progress)
    replay.play(past)
    if retry_failed:
        replay.retry_failed(journal, context.checkpoints.forget)
    ended = [trial for trial in progress.trials if trial.state != "running"]
    if len(ended) == unlimited_trial_count(config):
        return
    progress.watch(searcher)
    at_once = 1 if in_one_process() else resources.concurrent
    limiter = ConcurrencyLimiter(searcher, max_concurrent=at_once)
    growth = Growth(limiter, resources, config.resources, lambda: searcher.left, observer)
    if config.resources.fast_start:
        scheduler = keep_workers(scheduler, lambda: limiter.max_concurrent)
    callbacks: list[tune.Callback] = [progress] if in_one_process() else [growth, progress]
    if not verbose:  # else Tune prints tables of all trials
        callbacks.append(Forgetting())
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, workload=workload, context=context),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=limiter,
            scheduler=scheduler,
            num_samples=NO_LIMIT,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            # By default the trial's node writes a checkpoint to the folder, which it does not have.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=callbacks,
            stop=stopper,
            verbose=1 if verbose else 0,
            progress_reporter=None if verbose else _NoReports(),
        ),
    )
    with signals.handlers_restored():
        try:
            tuner.fit()
        finally:
            growth.stop()
    signals.raise_if_interrupted()
    progress.failures.check(context.sweep.name)
