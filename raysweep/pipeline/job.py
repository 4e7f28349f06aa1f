"""A sweep under way: its name, its folder and its tracker, and what is left when it ends."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.pipeline.remote import open_tracker
from raysweep.pipeline.stages import SweepIdentity
from raysweep.pipeline.storage import Storage, SweepFolder, SweepRecord
from raysweep.tracking import Tracker


@dataclass(frozen=True)
class Job:
    """Entered when the input has been checked and Ray is up; leaving it closes everything.

    Runs that nobody finished are marked as crashed. Where the input turned out to be wrong after
    all (UserError), nothing is left behind.
    """

    identity: SweepIdentity
    folder: SweepFolder
    tracker: Tracker
    made_storage: Path | None

    @staticmethod
    def start(config: Config, storage: Storage, backend: str, name: str) -> Job:
        """Make the sweep's folder and open its tracker."""
        tracking = config.tracking
        made = None if storage.root.exists() else storage.root
        record = SweepRecord.new(name, tracking.project, tracking.entity, backend)
        folder = storage.create(record, config.to_dict())
        tracker = open_tracker(backend, storage.tracker, tracking.project, tracking.entity)
        identity = SweepIdentity(name, record.id, tuple(tracking.tags))
        return Job(identity, folder, tracker, made)

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
        for folder in (self.folder.inputs, self.folder.tune):
            shutil.rmtree(folder, ignore_errors=True)
        if wrong_input:
            shutil.rmtree(self.made_storage or self.folder.path, ignore_errors=True)
