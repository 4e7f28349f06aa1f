"""From the trials that ended to the one that won, with what it logged."""

from __future__ import annotations

from collections.abc import Mapping

from raysweep.config import Config
from raysweep.errors import SweepFailed
from raysweep.search.repeats import rank_configurations
from raysweep.sweep.result import Best, TrialCounts
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.progress import Progress


def choose_winner(
    sweep: SweepIdentity,
    config: Config,
    progress: Progress,
    products: Mapping[int, str],
    logs: str,
) -> Best:
    """The best trial, of the best configuration, that finished. `products`: see Workload. `logs`:
    the command that shows a trial's log, but for the trial.

    Raises SweepFailed, with a cause, where there is none.
    """
    if not progress.trials:
        raise SweepFailed(f"{sweep.name}: max_time expired before the first trial started")
    metric = config.sweep.metric
    rows = {row.index: row for row in progress.trials}
    candidates = [row.candidate() for row in rows.values()]
    ranked = rank_configurations(candidates, metric.name, metric.goal, config.sweep.repeats)
    if not ranked or not ranked[0].scores:
        counts = TrialCounts.of(progress.trials)
        failed = [row for row in rows.values() if row.error]
        why = f"; {failed[0].name}: {failed[0].error}; its log: {logs} {failed[0].name}"
        none = SweepFailed(
            f"no trial of {sweep.name} finished with a finite {metric.name} "
            f"({counts.failed} of {counts.total} failed)" + (why if failed else "")
        )
        none.traceback = failed[0].traceback if failed else None
        raise none
    first = ranked[0]
    row = rows[first.trials[0].index]
    return Best(
        trial=row.name,
        artifact=products.get(row.index),
        config=dict(row.overrides),
        metrics=dict(row.best or {}),
        repeats=len(first.scores),
        mean=first.mean,
        std=first.std,
    )
