"""Clean up after a killed driver: its open runs, its scratch files and its lock."""

from __future__ import annotations

from contextlib import closing, suppress

from raysweep.errors import TrackingError, UserError
from raysweep.storage.claim import is_orphaned, reclaimed
from raysweep.storage.reading import StoredSweep
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import Tracker


def clean_up(folder: SweepFolder, tracker: Tracker) -> None:
    """Close the runs of a sweep that the caller has claimed, and remove its scratch files."""
    tracker.close_stale(folder.record().name)
    folder.remove_scratch()


def clean_up_ended(stored: StoredSweep) -> None:
    """Clean up after a sweep that has its result. On failure the storage's next sweep retries."""
    if not is_orphaned(stored.folder):
        return
    with suppress(UserError), reclaimed(stored.folder):
        try:
            with closing(stored.tracker()) as tracker:
                clean_up(stored.folder, tracker)
        except TrackingError as error:
            raise UserError(str(error)) from error  # this keeps the lock file, for the next sweep
