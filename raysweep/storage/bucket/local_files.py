"""Find the files of a working copy that a push uploads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from raysweep.storage.bucket.pulling import JOURNAL
from raysweep.storage.storage import TRACKER_FOLDER
from raysweep.storage.sweep_folder import LOGS

Signature = Mapping[str, tuple[int, int]]
"""A path, relative to the working copy → size in bytes and time of the last change in ns."""

Stats = tuple[tuple[int, int], ...]
"""Size and modification time of a database and of its log."""


def signature(root: Path) -> Signature:
    """Compute the state of all files that a push uploads; if it is unchanged, so are they."""
    paths = [*small_files(root), *kept_files(root), *root.glob("[!.]*/checkpoints/*")]
    paths += (root / TRACKER_FOLDER).glob("*.db")
    paths += (root / TRACKER_FOLDER).glob("*.db-wal")
    paths += logs(root)
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            stat = path.stat()
            found[str(path.relative_to(root))] = (stat.st_size, stat.st_mtime_ns)
    return found


def small_files(root: Path) -> Iterator[Path]:
    """Yield the files directly in sweeps' folders: record, config, journal and result."""
    for record in sorted(root.glob("[!.]*/sweep.json")):
        with suppress(FileNotFoundError):  # removed meanwhile
            for path in sorted(record.parent.iterdir()):
                if path.is_file() and not path.name.startswith(".") and path.suffix != ".lock":
                    yield path


def kept_files(root: Path) -> Iterator[Path]:
    """Yield the tracker's blobs and pictures, without temporary files: names with a leading dot,
    and `.partial` of earlier versions."""
    for pattern in ("artifacts/*/blobs/sha256/*/*", "media/**/*"):
        for path in (root / TRACKER_FOLDER).glob(pattern):
            half = path.name.startswith(".") or path.suffix == ".partial"
            if path.is_file() and not half:
                yield path


def logs(root: Path) -> Iterator[Path]:
    """Yield the logs of all sweeps' runs."""
    return (path for path in root.glob(f"*/{LOGS}/*.log") if path.is_file())


def read_whole_lines(path: Path) -> bytes | None:
    """Read a file's bytes; of a journal, its complete lines. None if it does not exist."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return data[: data.rfind(b"\n") + 1] if path.name == JOURNAL else data


def stats_of(database: Path) -> Stats:
    """Stat a database and its log: the result changes with every write."""
    found = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        with suppress(FileNotFoundError):
            stat = path.stat()
            found.append((stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def back_up(database: Path, copy: Path) -> None:
    """Copy one consistent snapshot of a live database into one file.

    Raises OSError, as an upload does: the next push retries.
    """
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise OSError(f"{database}: cannot be copied: {error}") from error
