"""A sweep under way: its name, its folder and its tracker, and what is left when it ends."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from filelock import FileLock

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.pipeline.claim import abandoned, claim, release
from raysweep.pipeline.remote import open_tracker
from raysweep.pipeline.stages import SweepIdentity
from raysweep.pipeline.storage import Storage, SweepFolder, SweepRecord
from raysweep.tracking import Tracker


@dataclass(frozen=True)
class Job:
    """Entered when the input has been checked and Ray is up; leaving it closes everything.

    Runs that nobody finished are marked as crashed, those of killed sweeps before it included.
    Where the input turned out to be wrong after all (UserError), nothing is left behind.
    """

    identity: SweepIdentity
    folder: SweepFolder
    tracker: Tracker
    made_storage: Path | None
    lock: FileLock

    @staticmethod
    def start(config: Config, storage: Storage, backend: str, name: str) -> Job:
        """Make the sweep's folder and open its tracker."""
        tracking = config.tracking
        made = None if storage.root.exists() else storage.root
        record = SweepRecord.new(name, tracking.project, tracking.entity, backend)
        folder = storage.create(record, config.to_dict())
        lock = claim(folder)
        tracker = open_tracker(backend, storage.tracker, tracking.project, tracking.entity)
        identity = SweepIdentity(name, record.id, tuple(tracking.tags))
        job = Job(identity, folder, tracker, made, lock)
        job._close_abandoned(storage, record)
        return job

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        wrong_input = isinstance(error, UserError)
        if not wrong_input:
            self.tracker.close_stale(self.identity.name)
        self.tracker.close()
        _remove_scratch(self.folder)
        if wrong_input:
            shutil.rmtree(self.made_storage or self.folder.path, ignore_errors=True)
        release(self.lock)

    def _close_abandoned(self, storage: Storage, mine: SweepRecord) -> None:
        """Do for the sweeps whose driver was killed what it could not; in this tracker alone."""
        for folder in abandoned(storage, mine):
            self.tracker.close_stale(folder.record().name)
            _remove_scratch(folder)


def _remove_scratch(folder: SweepFolder) -> None:
    for path in (folder.inputs, folder.tune):
        shutil.rmtree(path, ignore_errors=True)
