"""The bytes of the embedded store: files that come in, and blobs that are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from raysweep.tracking.blobs import Blobs
from raysweep.tracking.trackio.database import Database


class StoreBytes:
    """The part of a Store that has bytes, by SHA-256 in hex."""

    _database: Database
    _blobs: Blobs

    def stage_file(self, path: str) -> tuple[str, int]:
        """See Store."""
        with self._database.explained(f"stage {path}"):
            return self._blobs.stage_file(Path(path))

    def take_file(self, path: str, digest: str) -> None:
        """See Store."""
        with self._database.explained(f"stage {path}"):
            self._blobs.take_file(Path(path), digest)

    def stage_chunk(self, upload: str, offset: int, chunk: bytes) -> None:
        """See Store."""
        with self._database.explained("stage bytes"):
            self._blobs.stage_chunk(upload, offset, chunk)

    def stage_commit(self, upload: str, digest: str) -> None:
        """See Store."""
        with self._database.explained("stage bytes"):
            self._blobs.stage_commit(upload, digest)

    def stage_drop(self, upload: str) -> None:
        """See Store."""
        with self._database.explained("stage bytes"):
            self._blobs.stage_drop(upload)

    def blob_path(self, digest: str) -> str:
        """See Store."""
        return str(self._blobs.path(digest))

    def read_blob(self, digest: str, offset: int, size: int) -> bytes:
        """Read up to `size` bytes of the blob from `offset`; empty past its end."""
        with self._database.explained("read a blob"):
            return self._blobs.read(digest, offset, size)

    def blob_chunks(self, digest: str) -> Iterator[bytes]:
        """See Store."""
        with self._database.explained("read a blob"):
            yield from self._blobs.chunks(digest)
