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
    if it means nothing, or a sweep that `run` made."""
    if name in sweep_names(storage.root):
        return None
    found = find_recorded(storage.tracker, name)
    if found is None and storage.origin is not None:
        storage.origin.projects()
        found = find_recorded(storage.tracker, name)
    return found


def one_run(found: Recorded, name: str | None = None) -> str:
    """Return the id of the run that is meant: `name`, or the only one. Raises UserError."""
    ids = [run["id"] for run in found.runs]
    if name in ids:
        return str(name)
    if name is None and len(ids) == 1:
        return str(ids[0])
    which = "name a run of it" if name is None else f"has no run {name}"
    raise UserError(f"{found.what}: {which}; it has {', '.join(ids) or 'none'}")


def run_of(storage: Storage, found: Recorded, run_id: str) -> RunRecord:
    """Return the run's record."""
    (record,) = store_of_project(storage, found.project).runs(run_id=run_id)
    return record


def printed(storage: Storage, found: Recorded, run_id: str) -> str:
    """Return what the run printed; empty where that was not kept, as of one that is running."""
    store = store_of_project(storage, found.project)
    kept = [file for file in store.files(run_id) if file.path == OUTPUT]
    if storage.origin is not None:
        storage.origin.blobs(found.project, [file.digest for file in kept])
    return RunFiles(store, run_id).text(OUTPUT)
