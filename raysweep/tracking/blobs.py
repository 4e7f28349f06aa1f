"""Content-addressed files: a blob is named by its SHA-256, appears atomically and never changes.

The layout is Trackio's (`blobs/sha256/ab/abcd…`), so that its dashboard serves the same files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from raysweep.errors import TrackingError
from raysweep.paths import safe_join
from raysweep.tracking.running_digests import RunningDigests
from raysweep.tracking.wanted import bring
from raysweep.tracking.write_behind import WriteBehind, sync, sync_folder

CHUNK_BYTES = 8 * 2**20
"""Bytes per read or message: large enough that the overhead of a call (0.3 ms) is negligible."""

CHECK_DISK = "check that the path exists and is writable, and the disk not full"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UPLOAD = re.compile(r"[0-9a-f]{8,64}")
_EMPTY = hashlib.sha256(b"").hexdigest()
_PARTIAL = ".partial."  # Trackio skips files with this mark
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
_ABANDONED_S = 24 * 3600
"""Age after which a partial file counts as orphaned: a copy takes minutes, and a machine may sleep
for a night meanwhile."""


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the file's bytes, CHUNK_BYTES at a time."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def sha256_of(path: Path) -> tuple[str, int]:
    """Compute the file's digest in hex and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    for chunk in read_chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def blobs_folder(root: Path, project: str) -> Path:
    """Return the folder of a project's blobs in the store at `root`.

    Raises UnsafeName for a link that leads out of it.
    """
    return safe_join(root, f"artifacts/{project}/blobs/sha256")


class Blobs:
    """The blobs of one project, in `folder`, which several processes may use at the same time.

    Methods raise the file system's OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = WriteBehind()
        self._arriving = RunningDigests()

    def __reduce__(self) -> tuple[Any, ...]:
        return Blobs, (self._folder,)

    def path(self, digest: str) -> Path:
        """Return the path of a blob, existing or not. Raises TrackingError for a non-digest."""
        if not _DIGEST.fullmatch(digest):
            raise TrackingError(f"blob {digest!r}: not a SHA-256 digest in lower-case hex")
        return safe_join(self._folder, f"{digest[:2]}/{digest}")

    def stage_file(self, path: Path) -> tuple[str, int]:
        """Copy a file in and hash it on the way; return its digest and size in bytes."""
        partial = self._partial(uuid.uuid4().hex)
        digest, size = hashlib.sha256(), 0
        try:
            with partial.open("xb") as copy:
                for chunk in read_chunks(path):
                    digest.update(chunk)
                    size += len(chunk)
                    copy.write(chunk)
            self._keep(partial, digest.hexdigest())
        finally:
            partial.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def take_file(self, path: Path, digest: str) -> None:
        """Move a file in, whose digest the caller has computed as it wrote it; copy it if it is on
        another file system."""
        partial = self._partial(uuid.uuid4().hex)
        try:
            path.replace(partial)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.stage_file(path)
            return
        try:
            self._keep(partial, digest)
        finally:
            partial.unlink(missing_ok=True)

    def stage_bytes(self, data: bytes) -> tuple[str, int]:
        """Store a few bytes from memory; return their digest and size."""
        digest = hashlib.sha256(data).hexdigest()
        if not self._is_there(digest):
            upload = uuid.uuid4().hex
            self.stage_chunk(upload, 0, data)
            self.stage_commit(upload, digest)
        return digest, len(data)

    def stage_chunk(self, upload: str, offset: int, chunk: bytes) -> None:
        """Write bytes at `offset` of the file that `upload` becomes, and hash them. Idempotent.

        `upload` is a name in hex of the sender's own: nobody else writes to that file.
        """
        if self._arriving.has(upload, offset + len(chunk)):
            return  # it is sent again: only its answer was lost
        with os.fdopen(os.open(self._upload(upload), _WRITE, 0o644), "wb") as file:
            file.seek(offset)
            file.write(chunk)
        self._arriving.add(upload, offset, chunk)

    def stage_commit(self, upload: str, digest: str) -> None:
        """Publish the upload as the blob `digest`. Idempotent.

        It is not read again unless its chunks came to two processes, as when the first has died.
        Raises TrackingError if it hashes to something else; nothing is left of it then.
        """
        partial, target = self._upload(upload), self.path(digest)
        if not partial.exists() and target.exists():
            return  # it was committed, and only the answer was lost
        got, size = self._digest_of(upload) if partial.exists() else ("nothing", 0)
        if got != digest:
            partial.unlink(missing_ok=True)
            raise TrackingError(
                f"blob {digest}: the {size} bytes received hash to {got}; send the file again"
            )
        self._keep(partial, digest)
        partial.unlink(missing_ok=True)

    def stage_drop(self, upload: str) -> None:
        """Remove what has come of an upload. Idempotent."""
        self._arriving.take(upload)
        self._upload(upload).unlink(missing_ok=True)

    def has(self, digest: str, size: int) -> bool:
        """Whether the blob exists with that size in bytes; its content is not read."""
        try:
            return self.path(digest).stat().st_size == size
        except OSError:
            return False

    def check(self, digest: str) -> bool:
        """Whether the blob exists and is intact. A damaged one is removed, to be staged again."""
        path = self.path(digest)
        try:
            whole = sha256_of(path)[0] == digest
        except OSError:
            whole = False
        if not whole:
            path.unlink(missing_ok=True)
        return whole

    def settle(self, digests: Iterable[str]) -> None:
        """Fsync these blobs."""
        paths = [self.path(digest) for digest in digests]
        for path in paths:
            sync(path)
        for folder in {self._folder, *(path.parent for path in paths)}:
            sync_folder(folder)

    def read(self, digest: str, offset: int, size: int) -> bytes:
        """Read up to `size` bytes from `offset`."""
        path = self.path(digest)
        bring(path)
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def chunks(self, digest: str) -> Iterator[bytes]:
        """Yield the blob's bytes, CHUNK_BYTES at a time."""
        path = self.path(digest)
        bring(path)
        yield from read_chunks(path)

    def drop_abandoned(self) -> None:
        """Remove orphaned partial files: those that killed processes left a day ago or more."""
        before = time.time() - _ABANDONED_S
        for partial in self._folder.glob(f"{_PARTIAL}*"):
            with suppress(FileNotFoundError):  # removed by another process, or complete now
                if partial.stat().st_mtime < before:
                    partial.unlink()

    def _is_there(self, digest: str) -> bool:
        """Whether the blob exists; an empty file (except the empty blob) lost its bytes in a power
        cut."""
        return self.path(digest).exists() and not (digest != _EMPTY and self.has(digest, 0))

    def _digest_of(self, upload: str) -> tuple[str, int]:
        """Return the digest in hex and the size of what has come."""
        partial = self._upload(upload)
        found = self._arriving.take(upload)
        whole = found is not None and found[1] == partial.stat().st_size
        return found if found is not None and whole else sha256_of(partial)

    def _upload(self, name: str) -> Path:
        if not _UPLOAD.fullmatch(name):
            raise TrackingError(f"upload {name!r}: not a name in lower-case hex")
        return self._partial(name)

    def _partial(self, mark: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{_PARTIAL}{mark}"

    def _keep(self, partial: Path, digest: str) -> None:
        """Publish a complete file as the blob: read-only, then visible; fsynced soon after."""
        target = self.path(digest)
        if self.has(digest, partial.stat().st_size):
            return
        partial.chmod(0o444)
        target.parent.mkdir(exist_ok=True)
        partial.replace(target)
        self._disk.add(target)
