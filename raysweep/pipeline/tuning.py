"""Ray Tune over the trials of a sweep."""

from __future__ import annotations

from pathlib import Path

from ray import tune

from raysweep.pipeline import search, signals
from raysweep.pipeline.cluster import Resources
from raysweep.pipeline.context import TrialContext
from raysweep.pipeline.progress import Progress
from raysweep.pipeline.space import trial_count
from raysweep.pipeline.trainable import TrialTrainable


def run_trials(
    context: TrialContext, resources: Resources, progress: Progress, folder: Path, verbose: bool
) -> None:
    """Run every trial, telling `progress`; `folder` holds Tune's own state.

    Returns when all have ended, their models logged. A failed trial is told and passed over.
    Raises KeyboardInterrupt where the user stopped it.
    """
    config = context.config
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, context=context),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
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
    with signals.given_back():
        tuner.fit()
    signals.raise_if_interrupted()  # Tune takes Ctrl-C itself, and returns
    ended = [trial for trial in progress.trials if trial.state != "running"]
    if len(ended) < trial_count(config):
        raise KeyboardInterrupt  # it came where it could not be noted: in another thread
