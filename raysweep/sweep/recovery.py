"""Repair what a power cut or a damaged disk has left of a sweep, before it is resumed.

Whatever is lost is computed again: stages and trials are deterministic. The journal may know more
than the store and the checkpoints, since each file reaches the disk at its own time.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from raysweep.errors import StoreFailed, TrackingError
from raysweep.search.spec import TrialSpec
from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.storage.past import Past
from raysweep.storage.power import boot
from raysweep.storage.reading import StoredSweep, kept_store
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.port import STALE_ERRORS
from raysweep.tracking.trackio.store import TrackioStore


def lost_epochs(stored: StoredSweep, past: Past, every: int) -> list[str]:
    """Return a line for each trial under way whose latest checkpoint cannot be used, so that it is
    trained again from an older one, or from its beginning. `every`: epochs between two checkpoints.

    A checkpoint needs its file, and the rows that its run had logged by then (`TrialSession` does
    not continue from one without them, or they would be missing for good).
    """
    folder, lines = CheckpointFolder(stored.folder.checkpoints), []
    steps = {(each["index"], each["epochs"]): each["examples"] for each in past.of("epoch")}
    identity = SweepIdentity(stored.record.name, stored.record.id)
    for index, reported in past.epochs_told().items():
        trial, expected = TrialSpec(index, {}).name, reported - reported % every
        files = folder.files(trial)
        whole = [file.epochs for file in files if file.read() is not None]
        logged = _steps_logged(stored, identity.run_id(trial)) if whole else set()
        # The journal may not have the report of the latest one yet: its rows cannot be checked.
        with_rows = [e for e in whole if (index, e) not in steps or steps[index, e] in logged]
        usable = max(with_rows, default=0)
        if usable >= expected:
            continue
        lost = [file for file in files if file.epochs >= expected]
        if any(file.epochs in whole for file in lost):
            why = f"{trial}: rows that it had logged are lost; it"
        elif lost:
            why = f"{folder.folder}: {lost[0].path.name} is damaged; {trial}"
        else:
            why = f"{folder.folder}: none after {expected} epochs; {trial}"
        where = f"from epoch {usable}" if usable else "from its beginning"
        lines.append(f"{why} is trained again {where}")
    return lines


def _steps_logged(stored: StoredSweep, run: str) -> set[int]:
    """Return the steps of the run's rows; none where the store does not have the run."""
    try:
        return {row["step"] for row in kept_store(stored.record, stored.storage).history(run)}
    except StoreFailed:
        raise
    except TrackingError:  # no such run
        return set()


def put_in_order(stored: StoredSweep, past: Past) -> Past:
    """Remove damaged files of the store, and checkpoints of trials that the journal does not know,
    so that they are made again. Return the past without the stages that are lost.

    Files are read only if the machine has booted since: a running system keeps what processes
    wrote. At a URI no file is half-written.
    """
    known = {TrialSpec(event["index"], {}).name for event in past.of("trial")}
    CheckpointFolder(stored.folder.checkpoints).forget_all_but(known)
    if stored.storage.is_uri or (past.boot is not None and past.boot == boot()):
        return past
    damaged = _remove_damaged(kept_store(stored.record, stored.storage), stored.record.name)
    with closing(stored.tracker()) as tracker:
        lost = {
            stage
            for stage, event in past.stages().items()
            if not _is_whole(tracker, event["ref"], damaged)
        }
    return replace(past, events=[e for e in past.events if e.get("stage") not in lost])


def _remove_damaged(store: TrackioStore, sweep: str) -> set[str]:
    """Remove the damaged files that the sweep's runs used or logged, and return their digests.
    A run that logged one is marked as crashed: its output is incomplete."""
    damaged: set[str] = set()
    whole: set[str] = set()
    for run in store.runs(sweep):
        for ref in (*run.used, *run.logged):
            digests = {file.digest for file in store.artifact(ref).kept_files}
            bad = {each for each in digests - whole if each in damaged or not store.check(each)}
            damaged |= bad
            whole |= digests - bad
            if bad and ref in run.logged and run.state == "finished":
                store.update_run(run.id, {}, "crashed", STALE_ERRORS["crashed"])
    return damaged


def _is_whole(tracker: Tracker, ref: str, damaged: Iterable[str]) -> bool:
    try:
        version: ArtifactVersion = tracker.artifact(ref)
    except StoreFailed:
        raise
    except TrackingError:  # the file survived the power cut, its record did not
        return False
    return not {file.digest for file in version.kept_files} & set(damaged)
