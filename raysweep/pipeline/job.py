"""A sweep under way: its name, its folder and its tracker, and what is left when it ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.pipeline.claim import abandoned, claim, release
from raysweep.pipeline.inputs import Inputs
from raysweep.pipeline.remote import open_tracker
from raysweep.pipeline.stages import SweepIdentity
from raysweep.pipeline.storage import Storage, SweepFolder, SweepRecord
from raysweep.tracking import Tracker


@dataclass(frozen=True)
class Job:
    """What a sweep under way is made of."""

    identity: SweepIdentity
    folder: SweepFolder
    inputs: Inputs
    tracker: Tracker


@contextmanager
def job(config: Config, storage: Storage, backend: str, name: str) -> Iterator[Job]:
    """A sweep's folder and tracker, made when the input has been checked and Ray is up.

    However it is left, everything is closed: runs that nobody finished are marked as crashed, those
    of sweeps whose driver was killed before it included. Where the input turned out to be wrong
    after all (UserError), the folder goes again.
    """
    tracking = config.tracking
    record = SweepRecord.new(name, tracking.project, tracking.entity, backend)
    made = [path for path in (storage.root, *storage.root.parents) if not path.exists()]
    with ExitStack() as stack:
        folder = storage.create(record, config.to_dict())
        stack.push(partial(_remove_after_wrong_input, folder, made))
        stack.callback(release, claim(folder))
        stack.callback(_remove_scratch, folder)
        inputs = Inputs.of(record.id, folder.inputs)
        stack.callback(inputs.remove)
        tracker, store = open_tracker(
            backend, storage.tracker, tracking.project, tracking.entity, folder.path
        )
        stack.callback(store.stop)
        stack.callback(tracker.close)
        stack.callback(tracker.close_stale, name)
        for dead in abandoned(storage, record):
            tracker.close_stale(dead.record().name)
            _remove_scratch(dead)
        identity = SweepIdentity(name, record.id, tuple(tracking.tags))
        yield Job(identity, folder, inputs, tracker)


def _remove_after_wrong_input(
    folder: SweepFolder,
    made: Sequence[Path],
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    if isinstance(error, UserError):
        shutil.rmtree(folder.path, ignore_errors=True)
        with suppress(OSError):  # a folder that another sweep uses meanwhile is not empty
            for path in made:
                path.rmdir()


def _remove_scratch(folder: SweepFolder) -> None:
    for path in (folder.inputs, folder.tune):
        shutil.rmtree(path, ignore_errors=True)
