"""What `exec` has recorded in a storage, by name, and what a run of it printed."""

from __future__ import annotations

from raysweep.errors import UserError
from raysweep.storage.reading import store_of_project
from raysweep.storage.record import sweep_names
from raysweep.storage.storage import Storage
from raysweep.tracking import RunRecord
from raysweep.tracking.mirror.run_files import RunFiles
from raysweep.tracking.programs import OUTPUT
from raysweep.tracking.trackio.recorded import Recorded, find_recorded


def recorded_as(storage: Storage, name: str) -> Recorded | None:
    """Return what the name means: a run's id, that of a sweep of agents, or a project's name. None
    if it means nothing, or is how a sweep's name begins that `run` made: those come first."""
    if any(sweep.startswith(name) for sweep in sweep_names(storage.root)):
        return None
    found = find_recorded(storage.tracker, name)
    if found is None and storage.origin is not None:
        storage.origin.projects()
        found = find_recorded(storage.tracker, name)
    return found


def one_run(found: Recorded, name: str | None = None) -> str:
    """Return the id of the run that is meant: `name`, or the only one. Raises UserError."""
    if name in found.runs:
        return str(name)
    if name is None and len(found.runs) == 1:
        return next(iter(found.runs))
    which = "name a run of it" if name is None else f"has no run {name}"
    raise UserError(f"{found.what}: {which}; it has {', '.join(found.runs) or 'none'}")


def records(storage: Storage, found: Recorded) -> list[RunRecord]:
    """Return the records of its runs."""
    store = store_of_project(storage, found.project)
    return [record for run in found.runs for record in store.runs(run_id=run)]


def printed(storage: Storage, found: Recorded, run_id: str) -> str:
    """Return what the run printed; empty where that was not kept, as of one that is running."""
    store = store_of_project(storage, found.project)
    kept = [file for file in store.files(run_id) if file.path == OUTPUT]
    if storage.origin is not None:
        storage.origin.blobs(found.project, [file.digest for file in kept])
    return RunFiles(store, run_id).text(OUTPUT)
