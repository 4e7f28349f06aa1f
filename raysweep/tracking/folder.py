"""Download atomically into a folder, and verify that the files are what was logged."""

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
from raysweep.tracking.blobs import sha256_of
from raysweep.tracking.port import ArtifactFile
from raysweep.tracking.store import Store
from raysweep.tracking.wanted import bring

_MARK = 12
"""Hexadecimal digits in the name of a temporary folder."""


@contextmanager
def fresh_folder(folder: Path) -> Iterator[Path]:
    """Make a temporary folder, renamed to `folder` when the block ends, removed when it raises.

    Raises TrackingError if `folder` is neither absent nor empty, or cannot be written; StoreFailed
    if its disk is the cause.
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
    """Yield the temporary folders of `folder` that processes killed in `fresh_folder` left."""
    return folder.parent.glob(f".{folder.name}.{'[0-9a-f]' * _MARK}")


def take_file(store: Store, ref: str, file: ArtifactFile, target: Path) -> None:
    """Write one file of the version `ref` to `target`, read-only, and check its digest.

    Raises ArtifactCorrupt, which names the blob, if its bytes differ or it is missing.
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
    """Replace the folder's hard links by writable copies: changes to them do not reach a blob.

    Raises as `fresh_folder` does.
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
    """Hard-link the blob if possible (30 µs), else copy it (200 MB: 54 ms)."""
    try:
        os.link(blob, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(blob, target)


def _receive(store: Store, file: ArtifactFile, target: Path) -> str:
    """Receive the blob's bytes from another node; return their digest."""
    digest = hashlib.sha256()
    with target.open("xb") as out:
        for chunk in store.blob_chunks(file.digest):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _must_match(ref: str, file: ArtifactFile, digest: str, store: Store) -> None:
    if digest != file.digest:
        raise ArtifactCorrupt(
            f"{ref}, file {file.path}: {store.blob_path(file.digest)} should hash to "
            f"{file.digest} and hashes to {digest}; put a good copy there, or log a new version"
        )
