"""A sweep that is there already: its folder, its record and its tracker, read without Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysweep.errors import UserError
from raysweep.pipeline.storage import Storage, SweepFolder, SweepRecord
from raysweep.tracking import Lineage, Tracker
from raysweep.tracking.folder import detach


@dataclass(frozen=True)
class StoredSweep:
    """One sweep of a storage."""

    folder: SweepFolder
    record: SweepRecord
    storage: Storage

    @staticmethod
    def find(storage: Path, name: str | None) -> StoredSweep:
        """The named sweep, or the latest. Raises UserError where there is none."""
        place = Storage(storage)
        folder = place.find(name)
        return StoredSweep(folder, folder.record(), place)

    def result(self) -> dict[str, Any]:
        """Its `result.json`. Raises UserError for a sweep without a best."""
        result = self.folder.result()
        if result is None:
            raise UserError(
                f"{self.record.name}: has no best (still running, interrupted or failed); "
                "name another sweep, see `python -m raysweep list`"
            )
        return result

    def tracker(self) -> Tracker:
        """The tracker that recorded it, opened in this process."""
        return tracker_for_reading(self.record, self.storage)

    def lineage(self, ref: str) -> Lineage:
        """What `ref` came from and what came of it."""
        tracker = self.tracker()
        try:
            return tracker.lineage(ref)
        finally:
            tracker.close()

    def download_best(self, folder: Path) -> str:
        """Copy the winner's files into `folder`, each checked; the version's reference."""
        ref: str = self.result()["best"]["artifact"]
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--download {folder}: exists and is not empty; name a new folder")
        tracker = self.tracker()
        try:
            version = tracker.download(ref, folder)
            detach(folder)
            return version.ref
        finally:
            tracker.close()


def tracker_for_reading(record: SweepRecord, storage: Storage) -> Tracker:
    """Without Ray: one process reads, so the embedded store needs no actor before it.

    What W&B recorded is kept in the storage, too, and read there; W&B is asked for the rest.
    """
    from raysweep.tracking.embedded import TrackioTracker
    from raysweep.tracking.trackio_store import TrackioStore

    def here() -> TrackioTracker:
        return TrackioTracker(TrackioStore(storage.tracker, record.project))

    if record.tracker != "wandb":
        return here()
    from raysweep.tracking.mirror import MirroredTracker
    from raysweep.tracking.wandb_tracker import WandbTracker

    there = WandbTracker(record.project, record.entity)
    return MirroredTracker(here(), there) if storage.tracker.exists() else there
