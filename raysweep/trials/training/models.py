"""Models that trials have logged, and those that their processes died before logging."""

from __future__ import annotations

from collections.abc import Sequence

from raysweep.cluster.cluster import Resources
from raysweep.cluster.remote import as_task, wait_for
from raysweep.cluster.signals import is_interrupt
from raysweep.config.raised import passed_own_code, where_raised
from raysweep.errors import ConfigError, RaysweepError
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
    """Trial → the `trained-model:vK` that it logged; those that logged none are left out."""
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
    """Log them from the trials' checkpoints. A trial of which even that fails has failed.

    A stopped trial logs its model after Tune has heard of its end: a driver that dies then leaves
    it without, and so does Tune, which gives it 10 s.
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
            progress.fail(row.index, f"its process ended before its model was logged, and {error}")


def close_again(workload: Workload, context: TrialContext, spec: TrialSpec) -> None:
    """A task: end the trial once more. Raises ConfigError for what the user's own code raises."""
    try:
        TrialSession(workload, context, spec).close_again()
    except BaseException as error:
        if not passed_own_code(error) or isinstance(error, RaysweepError) or is_interrupt(error):
            raise
        raise ConfigError(where_raised(error)) from error
