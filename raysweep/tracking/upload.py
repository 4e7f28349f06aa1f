"""Send a file to a store on another node, hashing it on the way."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raysweep.tracking.blobs import read_chunks
from raysweep.tracking.store import Store


class Upload:
    """A file to write to, whose bytes become a blob of the store when all are there.

    Its digest is known, and checked by the store, at the end: a file is read once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._name = uuid.uuid4().hex
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, chunk: bytes) -> None:
        """Append bytes, CHUNK_BYTES at most."""
        self._store.stage_chunk(self._name, self._size, chunk)
        self._digest.update(chunk)  # while the chunk is on its way
        self._size += len(chunk)

    def commit(self) -> tuple[str, int]:
        """Publish the blob; return its digest and size in bytes."""
        if not self._size:
            self.write(b"")
        digest = self._digest.hexdigest()
        self._store.stage_commit(self._name, digest)
        return digest, self._size

    def drop(self) -> None:
        """Remove what was sent."""
        self._store.stage_drop(self._name)


@contextmanager
def upload(store: Store) -> Iterator[Upload]:
    """Open an upload, which is dropped if the block raises."""
    opened = Upload(store)
    try:
        yield opened
    except Exception:
        opened.drop()
        raise


def send_file(store: Store, path: Path) -> tuple[str, int]:
    """Send a file of this node; return its digest and size in bytes."""
    with upload(store) as sent:
        for chunk in read_chunks(path):
            sent.write(chunk)
        return sent.commit()
