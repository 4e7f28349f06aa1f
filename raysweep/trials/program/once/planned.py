"""Plan `program.before`, without Ray: which programs would run, and which would be reused."""

from __future__ import annotations

import os

from raysweep.config import Config
from raysweep.errors import TrackingError
from raysweep.tracking import RunRecord, Tracker
from raysweep.trials.program import calls
from raysweep.trials.program.calls import users_folder
from raysweep.trials.program.once import earlier
from raysweep.trials.work import PlannedStage


def planned(config: Config, tracker: Tracker | None) -> list[PlannedStage]:
    """Return the programs with what they would log, as far as an earlier run tells."""
    users = users_folder(config)
    tracker = None if tracker is None else earlier.kept_in(tracker)
    runs = _runs(tracker)
    moved: dict[str, str] = {}
    unknown = False
    stages = []
    for call in calls.before(config):
        found = None
        if tracker is not None and config.program.reuse and not unknown:
            identity = earlier.identity(call, config, users, os.environ)
            found = earlier.find(tracker, runs, identity, moved)
        if found is None:
            unknown = True  # what it will log, and so what the next ones use
            stages.append(PlannedStage(call.name, f"what {call.shown} logs", None))
            continue
        for ref, aliases in found.aliases.items():
            name = ref.partition(":")[0]
            moved.update({f"{name}:{alias}": ref for alias in aliases})
        names = ", ".join(ref.partition(":")[0] for ref in found.refs)
        stages.append(PlannedStage(call.name, names, ", ".join(found.refs)))
    return stages


def _runs(tracker: Tracker | None) -> list[RunRecord]:
    try:
        return [] if tracker is None else tracker.runs()
    except TrackingError:  # no such project yet
        return []
