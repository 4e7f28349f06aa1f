"""The server's pages of a sweep, and the runs that the server does not have completely."""

from __future__ import annotations

from raysweep.errors import StoreFailed, TrackingError
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity

REPORT = "report"
"""The evaluation's run."""


def links(tracker: Tracker, sweep: SweepIdentity, best_trial: str | None) -> dict[str, str]:
    """Return the URLs of the project, the best trial's run and the report; none in Trackio."""
    pages = {
        "project": tracker.url,
        "best": None if best_trial is None else _url(tracker, sweep.run_id(best_trial)),
        "report": _url(tracker, sweep.run_id(REPORT)),
    }
    return {what: url for what, url in pages.items() if url}


def _url(tracker: Tracker, run_id: str) -> str | None:
    """Return the run's page; None for a run that does not exist: some kinds of trials have no
    report. One run is read, and not all of the sweep's."""
    try:
        return tracker.run(run_id).url
    except StoreFailed:
        raise
    except TrackingError:
        return None


def unsent(tracker: Tracker, sweep: SweepIdentity) -> tuple[str, ...]:
    """Return the names of the runs that W&B does not have completely; none in Trackio."""
    if tracker.backend != "wandb":
        return ()
    return tuple(sorted(run.name for run in tracker.runs(sweep.name) if run.url is None))
