"""What a power cut or a damaged disk has left of a sweep, put in order before it is resumed.

Whatever is lost is made again: stages and trials are deterministic. The journal may tell of more
than the store and the checkpoints have, since each file comes to the disk at its own time.
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
from raysweep.tracking.port import STALE_ERRORS
from raysweep.tracking.trackio.store import TrackioStore


def lost_epochs(stored: StoredSweep, past: Past, every: int) -> list[str]:
    """A line for each trial under way of which no checkpoint can be used, or only an older one.
    `every`: epochs between two checkpoints."""
    folder, lines = CheckpointFolder(stored.folder.checkpoints), []
    for index, told in past.epochs_told().items():
        trial = TrialSpec(index, {}).name
        files = folder.files(trial)
        usable = next((file.epochs for file in files if file.read() is not None), 0)
        expected = told - told % every
        if usable < expected:
            damaged = [file.path.name for file in files if file.epochs >= expected]
            what = f"{damaged[0]} is damaged" if damaged else f"none after {expected} epochs"
            where = f"from epoch {usable}" if usable else "from its beginning"
            lines.append(f"{folder.folder}: {what}; {trial} is trained again {where}")
    return lines


def put_in_order(stored: StoredSweep, past: Past) -> Past:
    """Remove what is damaged, so that it is made again: files of the store, and checkpoints of
    trials that the journal does not know. The past without the stages that are lost.

    Files are read through only where the machine was started anew since: what processes wrote, the
    system keeps while it runs. At a URI there are no half-written ones.
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
    """The digests of the damaged files that the sweep's runs used or logged, which are removed. A
    run that logged one is marked as crashed: what it logged is lacking."""
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
    except TrackingError:  # it was logged, and the power cut took the note of it
        return False
    return not {file.digest for file in version.kept_files} & set(damaged)
