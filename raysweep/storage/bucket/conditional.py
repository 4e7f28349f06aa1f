"""Conditional writes (compare-and-swap), on which the lease of a URI's single writer is built.

S3, Google Cloud Storage and Azure compare and write atomically in one request (If-None-Match,
If-Match on the ETag or the generation); obstore sends it, since pyarrow cannot. A folder
(`file://`) is locked meanwhile. Otherwise, or if the server refuses conditions, comparing and
writing are two steps, and the lease waits a moment and checks again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from raysweep.paths import safe_join
from raysweep.storage.bucket.clients import client
from raysweep.storage.bucket.object_store import ObjectStore, why

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

Tag = Mapping[str, str]
"""A store's identifier of one version of a file: its ETag or its generation."""


class Changed(OSError):
    """Another process has written the file since its tag was read."""


@dataclass(frozen=True)
class Found:
    """A file's bytes, and the tag of this version."""

    data: bytes
    tag: Tag


class Writes(Protocol):
    """Reads and writes small files below a URI. Methods raise OSError on failure."""

    atomic: bool
    """Whether compare-and-write is atomic."""

    def read(self, path: str) -> Found | None:
        """Read the current file; None if there is none."""

    def put(self, path: str, data: bytes, tag: Tag | None) -> Tag:
        """Write the file if it still has that tag (None: if it does not exist); return the new tag.

        Raises Changed otherwise.
        """


def conditional_writes(store: ObjectStore) -> tuple[Writes, str | None]:
    """Choose the safest implementation for the URI; if it is not atomic, also return why.

    Raises OSError if the URI is unreachable.
    """
    if store.kind == "local":
        return _FolderWrites(Path(store.root)), None
    try:
        writes = _CloudWrites(client(store))
        _try_out(writes, store)
    except (ValueError, TypeError, _UnsupportedError) as error:
        return _PlainWrites(store), why(error)
    return writes, None


class _UnsupportedError(Exception):
    """Why there are no conditional writes."""


class _CloudWrites:
    """Writes with conditional requests."""

    atomic = True

    def __init__(self, client: S3Store | GCSStore | AzureStore) -> None:
        self._client = client

    def read(self, path: str) -> Found | None:
        import obstore

        try:
            with _as_os_errors():
                got = obstore.get(self._client, path)
                return Found(bytes(got.bytes()), _tag(got.meta))
        except FileNotFoundError:
            return None

    def put(self, path: str, data: bytes, tag: Tag | None) -> Tag:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create" if tag is None else dict(tag)
        try:
            with _as_os_errors():
                return _tag(obstore.put(self._client, path, data, mode=mode))
        except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
            now = self.read(path)
            if now is not None and now.data == data:  # our own write, retried after a lost answer
                return now.tag
            raise Changed(f"{path}: was written by another process") from error


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Convert obstore's errors to an OSError in one line, as pyarrow raises."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except BaseError as error:
        raise OSError(why(error).partition(" Debug source")[0]) from error


def _tag(meta: Mapping[str, Any]) -> Tag:
    return {name: meta[name] for name in ("e_tag", "version") if meta.get(name) is not None}


class _FolderWrites:
    """Writes in a folder, which is locked while a file is compared and replaced."""

    atomic = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> Found | None:
        try:
            data = safe_join(self._folder, path).read_bytes()
        except FileNotFoundError:
            return None
        return Found(data, _digest(data))

    def put(self, path: str, data: bytes, tag: Tag | None) -> Tag:
        target = safe_join(self._folder, path)
        above, slash, name = path.rpartition("/")
        partial = safe_join(self._folder, f"{above}{slash}.partial.{name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder):
            now = self.read(path)
            if (None if now is None else now.tag) != tag:
                raise Changed(f"{path}: was written by another process")
            partial.write_bytes(data)
            partial.replace(target)
        return _digest(data)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # NFS without folder locks: not atomic, but short
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class _PlainWrites:
    """Writes in two steps: another process may write between them."""

    atomic = False

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, path: str) -> Found | None:
        data = self._store.read(path)
        return None if data is None else Found(data, _digest(data))

    def put(self, path: str, data: bytes, tag: Tag | None) -> Tag:
        now = self.read(path)
        if (None if now is None else now.tag) != tag:
            raise Changed(f"{path}: was written by another process")
        self._store.overwrite(path, data)
        return _digest(data)


def _digest(data: bytes) -> Tag:
    return {"sha256": hashlib.sha256(data).hexdigest()}


def _try_out(writes: _CloudWrites, store: ObjectStore) -> None:
    """Check that the server honours conditions: some ignore them, some refuse them."""
    path = f".probe-{secrets.token_hex(8)}"
    try:
        tag = writes.put(path, b"1", None)
    except OSError as error:
        raise _UnsupportedError(why(error)) from error
    try:
        writes.put(path, b"2", {**tag, "e_tag": '"00000000000000000000000000000000"'})
    except Changed:
        return
    except OSError as error:
        raise _UnsupportedError(why(error)) from error
    finally:
        store.delete(path)
    raise _UnsupportedError("the server ignores If-Match")
