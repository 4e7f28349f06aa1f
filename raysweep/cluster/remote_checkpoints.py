"""Keep and read trials' checkpoints in the sweep's folder, from any node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from raysweep.cluster.remote_store import RemoteStore
from raysweep.storage.checkpoints import Bytes, CheckpointFolder, digest_of, file_name
from raysweep.tracking.blobs import CHUNK_BYTES


class RemoteCheckpoints:
    """The `CheckpointStore` in the sweep's folder, from any node.

    On another node than the driver's, bytes go through the writer, a chunk per call, so that it
    holds few of them and serves other calls in between.
    """

    def __init__(self, store: RemoteStore, folder: Path) -> None:
        self._store = store
        self._folder = CheckpointFolder(folder)

    def keep(self, trial: str, epochs: int, data: Bytes) -> None:
        """See CheckpointStore."""
        if self._store.shares_files:
            self._folder.keep(trial, epochs, data)
            return
        name, view = file_name(trial, epochs, digest_of(data)), memoryview(data)
        for offset in range(0, len(view), CHUNK_BYTES):
            chunk = bytes(view[offset : offset + CHUNK_BYTES])
            self._store.call("stage_checkpoint", name, offset, chunk)
        self._store.call("commit_checkpoint", trial, epochs, name)

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
            data = bytearray()
            while chunk := self._store.call("read_checkpoint", name, len(data), CHUNK_BYTES):
                data += chunk
            if digest_of(memoryview(data)) == digest:
                yield bytes(data)
