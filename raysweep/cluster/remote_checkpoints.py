"""Keep and read trials' checkpoints in the sweep's folder, from any node."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from raysweep.cluster.remote_store import RemoteStore
from raysweep.storage.checkpoints import DIGITS, Bytes, CheckpointFolder, digest_of, file_name
from raysweep.tracking.blobs import CHUNK_BYTES


class RemoteCheckpoints:
    """The `CheckpointStore` in the sweep's folder, from any node.

    On another node than the driver's, bytes go through the writer, a chunk per call, so that it
    holds few of them. They are hashed on the way: the file gets its name at the end.
    """

    def __init__(self, store: RemoteStore, folder: Path) -> None:
        self._store = store
        self._folder = CheckpointFolder(folder)

    def keep(self, trial: str, epochs: int, data: Bytes) -> None:
        """See CheckpointStore."""
        if self._store.shares_files:
            self._folder.keep(trial, epochs, data)
            return
        view, digest = memoryview(data), hashlib.sha256()
        staged = file_name(trial, epochs, uuid.uuid4().hex[:DIGITS])
        chunks = self._store.in_flight()
        for offset in range(0, len(view), CHUNK_BYTES):
            chunk = bytes(view[offset : offset + CHUNK_BYTES])
            chunks.send("stage_checkpoint", staged, offset, chunk)
            digest.update(chunk)  # while it is on its way
        chunks.wait()
        name = file_name(trial, epochs, digest.hexdigest()[:DIGITS])
        self._store.call("commit_checkpoint", trial, epochs, staged, name)

    def forget(self, trial: str) -> None:
        """See CheckpointStore."""
        if self._store.shares_files:
            self._folder.forget(trial)
        else:
            self._store.call("forget_checkpoints", trial)

    def usable(self, trial: str) -> Iterator[bytes]:
        """See CheckpointStore."""
        if self._store.shares_files:
            yield from self._folder.usable(trial)
            return
        for name, digest in self._store.call("list_checkpoints", trial):
            data = b"".join(self._store.checkpoint_chunks(name))
            if digest_of(data) == digest:
                yield data
