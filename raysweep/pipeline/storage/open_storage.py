"""A storage to read or to write, wherever it lies: a folder here, or a URI.

A folder is opened as it is. Of a URI, who reads has what it needs in a folder that goes away; who
writes works in this machine's working copy, which is pushed meanwhile and at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from raysweep.errors import Interrupted, StorageFailed, UserError
from raysweep.pipeline.storage.claim import LOCK
from raysweep.pipeline.storage.lease import Holder, Lease, LeasePace
from raysweep.pipeline.storage.object_store import ObjectStore, is_uri, unreachable
from raysweep.pipeline.storage.pulling import BlobFetcher, pull
from raysweep.pipeline.storage.pushing import Pusher, PushPace, Tell, to_stderr
from raysweep.pipeline.storage.reading import fetch_to_go_on
from raysweep.pipeline.storage.replica import Replica
from raysweep.pipeline.storage.storage import Fetch, Storage
from raysweep.pipeline.storage.working_copy import WorkingCopy


@dataclass(frozen=True)
class Pace:
    """How often, and how long, at a URI. Tests are in more of a hurry."""

    lease: LeasePace = field(default_factory=LeasePace)
    push: PushPace = field(default_factory=PushPace)


USUAL_PACE = Pace()


@contextmanager
def read_storage(place: str | Path, *, media: bool = False) -> Iterator[Storage]:
    """The storage, to read. `media`: with the pictures that runs logged.

    Raises UserError for a URI that cannot be reached.
    """
    if not is_uri(place):
        yield Storage(Path(place))
        return
    store = ObjectStore.open(str(place))
    with tempfile.TemporaryDirectory(prefix="raysweep-") as folder:
        storage = Storage(Path(folder), shown=store.uri)
        storage.fetch = _explained(store, BlobFetcher(store, storage))
        try:
            pull(store, storage.root, media=media)
        except OSError as error:
            raise unreachable(store.uri, error) from error
        yield storage


@contextmanager
def open_storage(
    place: str | Path, what: str = "a command", tell: Tell = to_stderr, pace: Pace = USUAL_PACE
) -> Iterator[Storage]:
    """The storage, to write. Of a URI: pulled first, pushed in the background and at the end.

    `what` is done, in words for whoever is refused meanwhile. What a push cannot do is told, not
    raised, and the working copy then stays. Raises UserError for a URI that cannot be reached, or
    that another process writes.
    """
    if not is_uri(place):
        yield Storage(Path(place))
        return
    store = ObjectStore.open(str(place))
    copy = WorkingCopy(store.uri)
    try:
        lease = Lease(store, Holder.me(what, copy.root), pace.lease)
        with _held(lease, store, tell):
            storage = Storage(copy.root, shown=store.uri)
            storage.fetch = _explained(store, BlobFetcher(store, storage))
            replica = _ready(copy, store, storage, tell)
            pusher = Pusher(replica, store, lease, copy.root, tell, pace.push)
            yield from _pushed(pusher, copy, storage)
    finally:
        copy.unlock()


def _pushed(pusher: Pusher, copy: WorkingCopy, storage: Storage) -> Iterator[Storage]:
    interrupted, ended = True, False
    pusher.start()
    try:
        yield storage
        interrupted, ended = False, True
    except Exception as error:
        interrupted = isinstance(error, Interrupted)
        raise
    finally:
        arrived = pusher.finish(interrupted)
        if arrived:
            copy.remove()
    if ended and not arrived:
        raise StorageFailed(f"{storage.shown}: does not have the end of it; see the line above")


@contextmanager
def _held(lease: Lease, store: ObjectStore, tell: Tell) -> Iterator[None]:
    try:
        lease.take(tell)
    except OSError as error:
        raise unreachable(store.uri, error) from error
    try:
        yield
    finally:
        lease.release()


def _ready(copy: WorkingCopy, store: ObjectStore, storage: Storage, tell: Tell) -> Replica:
    """The working copy as the URI has it, or further."""
    try:
        left = copy.is_current(store)
        if not left:
            copy.set_aside(store, tell)
            copy.root.mkdir(mode=0o700)
            pull(store, copy.root, media=True, checkpoints=True)
            _look_abandoned(storage)
            copy.is_pulled(store)
        replica = Replica(store, copy)
        fetch_to_go_on(storage)
        if not left:
            replica.settled()
    except OSError as error:
        raise unreachable(store.uri, error) from error
    return replica


def _look_abandoned(storage: Storage) -> None:
    """Sweeps that have no result have no driver either, or there would be its lease: the next sweep
    closes the runs of one that was killed, as it does in a folder (`claim.abandoned`)."""
    for folder in storage.sweeps():
        with suppress(UserError):  # a damaged result: who asks for that sweep is told
            if folder.result() is None:
                (folder.path / LOCK).touch()


def _explained(store: ObjectStore, fetch: Fetch) -> Fetch:
    def explained(project: str, digests: Iterable[str]) -> None:
        try:
            fetch(project, digests)
        except OSError as error:
            raise unreachable(store.uri, error) from error

    return explained
