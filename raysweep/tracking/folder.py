"""Downloads: a folder that appears whole or not at all, and files that are what was logged."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raysweep.errors import ArtifactCorrupt, StoreFailed, TrackingError
from raysweep.paths import is_of_the_disk
from raysweep.tracking.blobs import CHUNK_BYTES, sha256_of
from raysweep.tracking.port import ArtifactFile
from raysweep.tracking.store import Store
from raysweep.tracking.wanted import bring

_MARK = 12
"""Hexadecimal digits in the name of a folder that is being filled."""


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, renamed to `folder` when the block ends and removed when it raises.

    Raises TrackingError unless `folder` is absent or empty, or when it cannot be written;
    StoreFailed where that is for its disk.
    """
    partial = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:_MARK]}"
    try:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        if os.path.lexists(folder):
            raise TrackingError(f"{folder}: is not an empty folder; download into a new one")
        partial.mkdir(parents=True)
        yield partial
        partial.rename(folder)
    except OSError as error:
        raise _not_written(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def half_downloaded(folder: Path) -> Iterator[Path]:
    """What is left of `folder` where a process was killed in `fresh_folder`."""
    return folder.parent.glob(f".{folder.name}.{'[0-9a-f]' * _MARK}")


def take_file(store: Store, ref: str, file: ArtifactFile, target: Path) -> None:
    """Write one file of the version `ref` to `target`, read-only, and check its digest.

    Raises ArtifactCorrupt, and names the blob, if its bytes differ or are gone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if store.shares_files:
        blob = Path(store.blob_path(file.digest))
        bring(blob)
        digest = sha256_of(blob)[0] if blob.is_file() else "nothing: the file is gone"
        _must_match(ref, file, digest, store)
        _link_or_copy(blob, target)
    else:
        _must_match(ref, file, _receive(store, file, target), store)
    target.chmod(0o444)


def detach(folder: Path) -> None:
    """Make the folder's files its own, and writable: no change to them reaches a blob.

    Raises as `fresh_folder`.
    """
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        copy = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
        try:
            shutil.copyfile(path, copy)
            copy.replace(path)
        except OSError as error:
            raise _not_written(folder, error) from error
        finally:
            copy.unlink(missing_ok=True)


def _not_written(folder: Path, error: OSError) -> TrackingError:
    kind = StoreFailed if is_of_the_disk(error) else TrackingError
    return kind(
        f"{folder}: cannot write the download: {error}; "
        "check that the folder is writable and its disk not full"
    )


def _link_or_copy(blob: Path, target: Path) -> None:
    """Share the blob's bytes where the file system can (a link: 30 µs; a copy of 200 MB: 54 ms)."""
    try:
        os.link(blob, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(blob, target)


def _receive(store: Store, file: ArtifactFile, target: Path) -> str:
    """Write the blob's bytes as they come from another node; their digest."""
    digest, offset = hashlib.sha256(), 0
    with target.open("xb") as out:
        while chunk := store.read_blob(file.digest, offset, CHUNK_BYTES):
            digest.update(chunk)
            offset += len(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _must_match(ref: str, file: ArtifactFile, digest: str, store: Store) -> None:
    if digest != file.digest:
        raise ArtifactCorrupt(
            f"{ref}, file {file.path}: {store.blob_path(file.digest)} should hash to "
            f"{file.digest} and hashes to {digest}; put a good copy there, or log a new version"
        )
