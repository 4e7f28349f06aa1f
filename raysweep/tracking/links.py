"""Where a server shows a sweep, and what of it the server does not have."""

from __future__ import annotations

from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity

REPORT = "report"
"""The evaluation's run."""


def links(tracker: Tracker, sweep: SweepIdentity, best_trial: str) -> dict[str, str]:
    """The pages of the project, of the best trial's run and of the report; none in Trackio."""
    urls = {record.id: record.url for record in tracker.runs(sweep.name)}
    pages = {
        "project": tracker.url,
        "best": urls.get(sweep.run_id(best_trial)),
        "report": urls.get(sweep.run_id(REPORT)),
    }
    return {what: url for what, url in pages.items() if url}


def unsent(tracker: Tracker, sweep: SweepIdentity) -> tuple[str, ...]:
    """The names of the runs that W&B does not have whole; none in Trackio: nothing is sent."""
    if tracker.backend != "wandb":
        return ()
    return tuple(sorted(run.name for run in tracker.runs(sweep.name) if run.url is None))
