"""The context of a running sweep: its name, folder, tracker and journal, and their clean-up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from raysweep.cluster.logs import SweepLogs
from raysweep.cluster.remote_checkpoints import RemoteCheckpoints
from raysweep.cluster.remote_removing import RemoteRemoving
from raysweep.cluster.sweep_tracker import open_tracker
from raysweep.config import Config
from raysweep.errors import RaysweepError, TrackingError, UserError
from raysweep.storage.claim import abandoned, claim, release
from raysweep.storage.journal import Journal, read_journal
from raysweep.storage.left_behind import clean_up
from raysweep.storage.past import Past
from raysweep.storage.removal import bury
from raysweep.storage.stop import StorageLost
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.storage.waiting import waits_reported
from raysweep.tracking import Tracker
from raysweep.tracking.blobs import Blobs, blobs_folder
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.inputs import Inputs


@dataclass(frozen=True)
class Job:
    """The parts of a running sweep. `past` holds the events of its earlier drivers."""

    identity: SweepIdentity
    folder: SweepFolder
    inputs: Inputs
    tracker: Tracker
    checkpoints: RemoteCheckpoints
    journal: Journal
    past: Past
    logs: SweepLogs
    settle: Callable[[], None]
    """Fsync all that its runs logged, so that it survives a power cut."""
    removing: RemoteRemoving
    """Drops bytes of the store that are not needed any more."""


@contextmanager
def job(
    config: Config,
    storage: Storage,
    backend: str,
    name: str,
    started: float,
    first: Mapping[str, Any],
    *,
    verbose: bool = False,
) -> Iterator[Job]:
    """Open the context of a new sweep: create its folder, claim it, open its tracker and journal.

    Call it when the input has been checked and Ray is running. `started`: `time.monotonic()` at the
    start of the command. `first`: the journal's first event. At the end it closes open runs and
    removes scratch files; it also removes the folder if the input was wrong after all (UserError)
    or nothing was started. `verbose`: what the workers print is also shown by Ray.
    """
    tracking = config.tracking
    record = SweepRecord.new(name, tracking.project, tracking.entity, backend, config.kind)
    made = [path for path in (storage.root, *storage.root.parents) if not path.exists()]
    with ExitStack() as stack:
        stack.push(partial(_remove_empty, made))
        folder = storage.create(record, config.to_dict(), config.given)
        stack.push(partial(_remove_unless_kept, folder))
        stack.callback(release, claim(folder))
        with closing(Journal(folder.journal, time.monotonic() - started)) as journal:
            journal.write("started", **first)
        yield stack.enter_context(
            _driven(folder, record, storage, config, Past(), started, verbose)
        )


@contextmanager
def job_again(
    folder: SweepFolder,
    storage: Storage,
    config: Config,
    past: Past,
    started: float,
    *,
    verbose: bool = False,
) -> Iterator[Job]:
    """Reopen the context of a sweep whose driver is gone and which the caller has claimed."""
    with _driven(folder, folder.record(), storage, config, past, started, verbose) as reopened:
        yield reopened


@contextmanager
def _driven(
    folder: SweepFolder,
    record: SweepRecord,
    storage: Storage,
    config: Config,
    past: Past,
    started: float,
    verbose: bool,
) -> Iterator[Job]:
    """Open the tracker, the checkpoints and the journal, and close everything at the end.

    Unfinished runs are marked as crashed or interrupted, also those of orphaned sweeps, whose
    drivers were killed earlier.
    """
    tracking = config.tracking
    with ExitStack() as stack:
        stack.callback(folder.remove_scratch)
        inputs = Inputs.of(record.id, folder.inputs)
        stack.callback(inputs.remove)
        stack.enter_context(waits_reported(folder.waiting))
        if storage.origin is not None:
            storage.origin.project(tracking.project)
        tracker, store, checkpoints = open_tracker(
            record.tracker,
            storage.tracker,
            tracking.project,
            tracking.entity,
            folder,
            programs=config.kind == "program",
        )
        stack.callback(store.stop)
        stack.callback(tracker.close)
        before_s = past.elapsed_s + time.monotonic() - started
        journal = Journal(folder.journal, before_s, store=storage.tracker)
        stack.callback(journal.close)
        stack.push(partial(_close_runs, tracker, record.name, journal))
        for dead in abandoned(storage, record):
            clean_up(dead, tracker)
        with suppress(OSError):  # another user's files, in a shared folder
            Blobs(blobs_folder(storage.tracker, tracking.project)).drop_abandoned()
        identity = SweepIdentity(record.name, record.id, tuple(tracking.tags))
        settle = partial(store.call, "settle", record.name)
        removing = RemoteRemoving(store, storage)
        with suppress(RaysweepError):  # what it cannot remove now, the next one tries
            bury(storage, removing)
        logs = SweepLogs(store, folder.logs, inputs.folder, config.resources.log_limit_mb, verbose)
        stack.callback(logs.collect)
        yield Job(
            identity, folder, inputs, tracker, checkpoints, journal, past, logs, settle, removing
        )


def _close_runs(
    tracker: Tracker,
    name: str,
    journal: Journal,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    interrupted = isinstance(error, KeyboardInterrupt)
    if interrupted:
        with suppress(StorageLost):  # close the runs even if the disk is full
            journal.write("interrupted")
    try:
        tracker.close_stale(name, "interrupted" if interrupted else "crashed")
    except TrackingError:
        if error is None:
            raise
        # The storage failed, which the error in flight reports; resuming reopens the runs.


def _remove_unless_kept(
    folder: SweepFolder,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    """Remove the folder if no work is lost by that: it has no events, so it cannot be resumed, or
    the input was wrong and no trial had started."""
    events = {event["event"] for event in read_journal(folder.journal)}
    if not events or (isinstance(error, UserError) and "trial" not in events):
        shutil.rmtree(folder.path, ignore_errors=True)


def _remove_empty(
    made: Sequence[Path],
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    if error is not None:
        with suppress(OSError):  # not empty: a sweep uses it
            for path in made:
                path.rmdir()
