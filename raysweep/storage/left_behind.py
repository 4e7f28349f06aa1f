"""Clean up after a killed driver: its open runs, its scratch files and its lock."""

from __future__ import annotations

from contextlib import closing, suppress

from raysweep.errors import TrackingError, UserError
from raysweep.storage.claim import left_locked, taken_up
from raysweep.storage.reading import StoredSweep
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import Tracker


def put_away(folder: SweepFolder, tracker: Tracker) -> None:
    """Close the runs of a sweep that the caller has claimed, and remove its scratch files."""
    tracker.close_stale(folder.record().name)
    folder.remove_scratch()


def put_away_ended(stored: StoredSweep) -> None:
    """Clean up after a sweep that has its result. On failure the storage's next sweep retries."""
    if not left_locked(stored.folder):
        return
    with suppress(UserError), taken_up(stored.folder):
        try:
            with closing(stored.tracker()) as tracker:
                put_away(stored.folder, tracker)
        except TrackingError as error:
            raise UserError(str(error)) from error  # this keeps the lock file, for the next sweep
