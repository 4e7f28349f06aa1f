"""Choose the winner among the trials that ended."""

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
) -> Best | None:
    """Return the best finished trial of the best configuration; None where the sweep has no metric.
    `products`: see Workload. `logs`: the command that shows a trial's log, but for the trial.

    Raises SweepFailed, with a cause, if there is none, or, without a metric, if none completed.
    """
    if not progress.trials:
        raise SweepFailed(f"{sweep.name}: max_time expired before the first trial started")
    metric, counts = config.sweep.metric, TrialCounts.of(progress.trials)
    if not config.sweep.has_metric and counts.completed:
        return None
    rows = {row.index: row for row in progress.trials}
    candidates = [row.candidate() for row in rows.values()]
    ranked = rank_configurations(candidates, metric.name, metric.goal, config.sweep.repeats)
    if not ranked or not ranked[0].scores:
        failed = [row for row in rows.values() if row.error]
        why = [f"; {row.name}: {row.error}; its log: {logs} {row.name}" for row in failed]
        none = SweepFailed(
            f"no trial of {sweep.name} "
            + (f"finished with a finite {metric.name} " if metric.name else "completed ")
            + f"({counts.failed} of {counts.total} failed)"
            + (why[0] if why else _reported(progress, metric.name))
        )
        none.traceback = failed[0].traceback if failed else None
        none.failed = len(failed)
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


def _reported(progress: Progress, metric: str) -> str:
    """Return `; trials reported a, b`, if none of what they reported is the metric."""
    names = dict.fromkeys(name for row in progress.trials for name in row.metrics)
    return "" if metric in names or not names else f"; trials reported {', '.join(names)}"
