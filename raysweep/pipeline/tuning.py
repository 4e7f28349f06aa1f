"""Ray Tune over the trials of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial
from ray import tune

from raysweep.pipeline import search, signals
from raysweep.pipeline.budget import Budget
from raysweep.pipeline.cluster import Resources
from raysweep.pipeline.context import TrialContext
from raysweep.pipeline.progress import Progress
from raysweep.pipeline.space import unlimited_trial_count
from raysweep.pipeline.trainable import TrialTrainable


def run_trials(
    context: TrialContext,
    resources: Resources,
    progress: Progress,
    budget: Budget,
    folder: Path,
    verbose: bool,
    known: Sequence[FrozenTrial] = (),
) -> None:
    """Run every trial that the budget allows, telling `progress`; `folder` holds Tune's own state.

    Returns when all have ended, their models logged. A failed trial is told and passed over.
    `known`: what the sampler learns from before the first. Raises KeyboardInterrupt where the user
    stopped it.
    """
    config = context.config
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, context=context),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=search.algorithm(config, budget, known),
            scheduler=search.scheduler(config),
            num_samples=unlimited_trial_count(config),
            max_concurrent_trials=resources.concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            # By default Tune writes one there, by the trial's node: which does not have the folder.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[progress],
            stop=search.stopper(config, budget),
            verbose=1 if verbose else 0,
        ),
    )
    with signals.given_back():
        tuner.fit()
    signals.raise_if_interrupted()  # Tune takes Ctrl-C itself, and returns
    ended = [trial for trial in progress.trials if trial.state != "running"]
    started, cut = len(progress.trials), budget.ended_by != "completed"
    if len(ended) < (started if cut else unlimited_trial_count(config)):
        raise KeyboardInterrupt  # it came where it could not be noted: in another thread
