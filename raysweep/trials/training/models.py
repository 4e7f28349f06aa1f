"""Find the models that trials have logged, and log those that a dead process did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raysweep.cluster.remote import as_task, wait_for
from raysweep.cluster.resources import Resources
from raysweep.cluster.signals import is_interrupt
from raysweep.config.failure import Failure, code_failed
from raysweep.config.raised import passed_own_code, where_raised
from raysweep.errors import RaysweepError
from raysweep.events import TrialUpdated
from raysweep.search.spec import TrialSpec
from raysweep.storage.stop import StorageLost, is_of_the_storage
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.context import TrialContext
from raysweep.trials.progress import Progress
from raysweep.trials.training.values import MODEL_ARTIFACT
from raysweep.trials.trial import TrialSession
from raysweep.trials.work import Workload


def logged_models(
    tracker: Tracker, sweep: SweepIdentity, trials: Sequence[TrialUpdated]
) -> dict[int, str]:
    """Return the `trained-model:vK` that each trial logged, by the trial's index. Trials that
    logged none are left out."""
    runs = {run.id: run for run in tracker.runs(sweep.name)}
    models = {}
    for row in trials:
        run = runs.get(sweep.run_id(row.name))
        logged = [ref for ref in run.logged if ref.startswith(f"{MODEL_ARTIFACT}:")] if run else []
        if logged and run is not None and run.state == "finished":
            models[row.index] = logged[-1]
    return models


def log_lacking_models(
    workload: Workload, context: TrialContext, resources: Resources, progress: Progress
) -> None:
    """Log the missing models of ended trials, from the trials' checkpoints. Where that fails,
    record the trial as failed.

    A stopped trial logs its model after Tune has recorded its end. The model is missing if the
    driver dies in between, or if logging takes longer than the 10 s that Tune allows.
    """
    ended = [row for row in progress.trials if row.state in ("completed", "stopped")]
    models = logged_models(context.tracker, context.sweep, ended)
    task = as_task(close_again, num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=3)
    lacking = [row for row in ended if row.index not in models]
    tasks = [task.remote(workload, context, progress.spec(row)) for row in lacking]
    for row, closing in zip(lacking, tasks, strict=True):
        try:
            wait_for(closing)
        except RaysweepError as error:
            if is_of_the_storage(error):
                raise StorageLost(str(error)) from error
            failure = Failure.of(error)
            why = f"its process ended before its model was logged, and {error}"
            progress.fail(row.index, replace(failure, error=why))


def close_again(workload: Workload, context: TrialContext, spec: TrialSpec) -> None:
    """Finish an ended trial, in a Ray task. Raises CodeFailed for an exception of the user's own
    code."""
    try:
        TrialSession(workload, context, spec).close_again()
    except BaseException as error:
        if not passed_own_code(error) or isinstance(error, RaysweepError) or is_interrupt(error):
            raise
        raise code_failed(where_raised(error), error) from error
