"""Open a storage for reading or writing: a local folder, or a URI.

A folder is opened directly. For a URI, a reader downloads what it needs into a temporary folder; a
writer works in this machine's working copy, which is pushed in the background and at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from raysweep.addresses import is_uri
from raysweep.errors import Interrupted, StorageFailed
from raysweep.stderr import to_stderr
from raysweep.storage.bucket.head import Holder
from raysweep.storage.bucket.lease import Lease, LeasePace, taken_over
from raysweep.storage.bucket.lost import stopped_when_lost
from raysweep.storage.bucket.object_store import ObjectStore, unreachable
from raysweep.storage.bucket.pulling import Remote
from raysweep.storage.bucket.pushing import Pusher, PushPace, Tell
from raysweep.storage.bucket.replica import Replica
from raysweep.storage.bucket.wanted import BlobServer
from raysweep.storage.bucket.working_copy import WorkingCopy
from raysweep.storage.claim import LOCK
from raysweep.storage.storage import Storage


@dataclass(frozen=True)
class Pace:
    """Intervals and timeouts at a URI. Tests use shorter ones."""

    lease: LeasePace = field(default_factory=LeasePace)
    push: PushPace = field(default_factory=PushPace)


USUAL_PACE = Pace()
INTERRUPTED_S = 2
"""Timeout for releasing the lease after Ctrl-C."""


@contextmanager
def read_storage(
    place: str | Path, *, media: bool = False, results: bool = False
) -> Iterator[Storage]:
    """Open the storage for reading. At a URI files are downloaded lazily, except with `media`: all
    databases and the pictures that runs logged; and with `results`: those of all sweeps.

    Raises UserError if the URI is unreachable.
    """
    if not is_uri(place):
        yield Storage(Path(place))
        return
    store = ObjectStore.open(str(place))
    with tempfile.TemporaryDirectory(prefix="raysweep-") as folder:
        storage = Storage(Path(folder), shown=store.uri)
        remote = _origin(store, storage)
        if media:
            remote.projects()
        if results:
            remote.results()
        yield storage


@contextmanager
def open_storage(
    place: str | Path, what: str = "a command", tell: Tell = to_stderr, pace: Pace = USUAL_PACE
) -> Iterator[Storage]:
    """Open the storage for writing. A URI is pulled first, and pushed in the background and at the
    end.

    `what` describes the command to others that are refused meanwhile. Failures of a push are
    reported to `tell`, not raised, and the working copy then stays. Raises UserError if the URI is
    unreachable or another process writes to it.
    """
    if not is_uri(place):
        yield Storage(Path(place))
        return
    store = ObjectStore.open(str(place))
    copy = WorkingCopy(store.uri)
    try:
        lease = Lease(store, Holder.me(what, copy.id), pace.lease)
        with _held(lease, store, tell):
            storage = Storage(copy.root, shown=store.uri)
            replica, remote = _ready(copy, store, lease, storage, tell)
            pusher = Pusher(replica, store, lease, copy.root, tell, pace.push)
            blobs = BlobServer(storage.tracker, remote)
            yield from _pushed(pusher, blobs, copy, storage, lease)
    finally:
        copy.unlock()


def _pushed(
    pusher: Pusher, blobs: BlobServer, copy: WorkingCopy, storage: Storage, lease: Lease
) -> Iterator[Storage]:
    interrupted, ended = True, False
    blobs.start()
    pusher.start()
    try:
        with stopped_when_lost(lease):
            yield storage
        interrupted, ended = False, True
    except (Exception, KeyboardInterrupt) as error:
        interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
        if lease.lost_to is not None:
            raise _lost(storage, lease.lost_to) from None
        raise
    finally:
        blobs.stop()
        arrived = pusher.finish(interrupted)
        if arrived:
            copy.remove()
    if lease.lost_to is not None:
        raise _lost(storage, lease.lost_to)
    if ended and not arrived:
        raise StorageFailed(f"{storage.shown}: lacks the latest changes; see the line above")


def _lost(storage: Storage, to: Holder) -> StorageFailed:
    return StorageFailed(
        f"{storage.shown}: {taken_over(to)}, so this one stopped; its unpushed work is in "
        f"{storage.root}, and the next command of this machine that writes there sets it aside"
    )


@contextmanager
def _held(lease: Lease, store: ObjectStore, tell: Tell) -> Iterator[None]:
    try:
        lease.take(tell)
    except OSError as error:
        raise unreachable(store.uri, error) from error
    patience_s: float | None = INTERRUPTED_S
    try:
        yield
        patience_s = None
    except Exception as error:
        patience_s = INTERRUPTED_S if isinstance(error, Interrupted) else None
        raise
    finally:
        lease.release(patience_s)


def _ready(
    copy: WorkingCopy, store: ObjectStore, lease: Lease, storage: Storage, tell: Tell
) -> tuple[Replica, Remote]:
    """Prepare the working copy: as at the URI, or ahead of it."""
    mark = lease.head.push
    try:
        left = copy.is_current(mark)
        remote = Remote(store, storage.root, lease.head)
        if not left:
            copy.set_aside(store.uri, remote, tell)
            copy.root.mkdir(mode=0o700)
        remote = _origin(store, storage, remote)
        replica = Replica(store, copy, lease, remote)
        if not left:
            _look_abandoned(storage, remote)
            copy.is_pulled(mark)
            replica.settled()
    except OSError as error:
        raise unreachable(store.uri, error) from error
    return replica, remote


def _origin(store: ObjectStore, storage: Storage, remote: Remote | None = None) -> Remote:
    """Connect the storage to its URI, and download the records, so that sweeps can be found."""
    remote = remote or Remote(store, storage.root)
    storage.origin = remote
    if remote.has_tracker():
        storage.tracker.mkdir(parents=True, exist_ok=True)
    remote.records()
    return remote


def _look_abandoned(storage: Storage, remote: Remote) -> None:
    """Mark sweeps without a result as orphaned: this process has the lease, so they have no driver.
    The next sweep closes their runs, as it does in a folder (`claim.abandoned`)."""
    for name in remote.sweeps():
        if not remote.has_ended(name):
            (storage.root / name / LOCK).touch()
