"""What a driver's working copy holds, brought to a URI: whatever is there can be resumed.

The journal is what `resume` goes by, so the tracker's store and the checkpoints at the URI may be
ahead of it, and never behind. A push reads the journal first, then copies the database, then lists
the files that these two speak of; it uploads in the other order, and a push cut short leaves the
older journal with more than it speaks of.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from raysweep.pipeline.storage.object_store import AT_ONCE, ObjectStore
from raysweep.pipeline.storage.storage import TRACKER_FOLDER
from raysweep.pipeline.storage.working_copy import JOURNAL, MARK, WorkingCopy

_SCRATCH = ".push"
_LOOKS = 100
_FIRST_TO_LAST = (JOURNAL, "sweep.json")  # of a sweep's small files; others come before these

Signature = Mapping[str, tuple[int, int]]
"""A path, relative to the working copy → size in bytes and time of the last change in ns."""

Stats = tuple[tuple[int, int], ...]
"""The same of a database and its log."""


@dataclass
class _Snapshot:
    """What one push brings. Keys are paths relative to the storage."""

    small: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    checkpoints: dict[str, Path] = field(default_factory=dict)
    databases: dict[str, tuple[Path, Stats]] = field(default_factory=dict)


class Replica:
    """Pushes `copy` to `store`. One thread at a time may call it."""

    def __init__(self, store: ObjectStore, copy: WorkingCopy) -> None:
        self._store, self._copy, self._root = store, copy, copy.root
        self._there = store.list()
        self._sent: dict[str, bytes | Stats] = {}
        self._new: set[str] = set()
        self._pushed: Signature | None = None

    def is_behind(self) -> bool:
        """Whether something has changed here since the last push."""
        return signature(self._root) != self._pushed

    def settled(self) -> None:
        """What is here was pulled a moment ago: there is nothing to push yet."""
        for path in _small_files(self._root):
            data = _read(path)
            if data is not None:
                self._sent[path.relative_to(self._root).as_posix()] = data
        for path in (self._root / TRACKER_FOLDER).glob("*.db"):  # another project's may be damaged
            self._sent[path.relative_to(self._root).as_posix()] = _stats(path)
        self._pushed = signature(self._root)

    def push(self) -> None:
        """Bring what has changed. Raises OSError where the URI cannot be written; what is there can
        be resumed all the same, and the next push goes on."""
        now = signature(self._root)
        mark = self._copy.new_mark()
        with self._scratch() as scratch:
            taken = self._take(scratch)
            self._send(taken)
            self._forget(taken)
        self._store.put_bytes(MARK, json.dumps({"push": mark}).encode())
        self._copy.has_mark(mark)
        self._pushed = now

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        folder = self._root / _SCRATCH
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _take(self, scratch: Path) -> _Snapshot:
        """The order matters: see the module. Checkpoints are linked, lest one go away meanwhile:
        before the journal is read, those that it may speak of, and after it, newer ones."""
        taken = _Snapshot()
        self._take_checkpoints(taken, scratch)
        for path in _small_files(self._root):
            data = _read(path)
            if data is not None:
                name = path.relative_to(self._root).as_posix()
                (taken.results if path.name == "result.json" else taken.small)[name] = data
        self._take_databases(taken, scratch)
        self._take_checkpoints(taken, scratch)
        for path in _kept_files(self._root):
            taken.files[path.relative_to(self._root).as_posix()] = path
        return taken

    def _take_checkpoints(self, taken: _Snapshot, scratch: Path) -> None:
        """Look until none goes away between the look and the link: the one in its place was then
        not seen. A driver writes one a second at the most, and a look takes a millisecond."""
        for _ in range(_LOOKS):
            if self._link_checkpoints(taken, scratch):
                return
        raise OSError(f"{self._root}: checkpoints come and go too quickly to be copied")

    def _link_checkpoints(self, taken: _Snapshot, scratch: Path) -> bool:
        for path in sorted(self._root.glob("*/checkpoints/*")):
            name = path.relative_to(self._root).as_posix()
            if path.name.startswith(".") or name in taken.checkpoints:
                continue
            link = scratch / name
            link.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, link)
            except FileNotFoundError:
                return False
            taken.checkpoints[name] = link
        return True

    def _take_databases(self, taken: _Snapshot, scratch: Path) -> None:
        for path in (self._root / TRACKER_FOLDER).glob("*.db"):
            name = path.relative_to(self._root).as_posix()
            before = _stats(path)
            if self._sent.get(name) == before:
                continue
            copy = scratch / path.name
            _backup(path, copy)
            taken.databases[name] = copy, before

    def _send(self, taken: _Snapshot) -> None:
        self._put_new(taken.files)
        self._put_new(taken.checkpoints)
        for name, (path, stats) in taken.databases.items():
            self._store.put(name, path)
            self._note_sent(name, path.stat().st_size)
            self._sent[name] = stats
        for name in sorted(taken.small, key=_turn):
            self._put_changed(name, taken.small[name])
        for name, data in taken.results.items():
            folder = name.partition("/")[0]
            best = [path for path in (self._root / folder / "best").glob("*") if path.is_file()]
            self._put_new({f"{folder}/best/{path.name}": path for path in best})
            self._put_changed(name, data)

    def _put_new(self, files: Mapping[str, Path]) -> None:
        """Files that never change under their names, several at once."""
        sizes = {name: path.stat().st_size for name, path in files.items()}
        new = [name for name, size in sizes.items() if self._there.get(name) != size]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="raysweep-push") as pool:
            sent = {name: pool.submit(self._store.put, name, files[name]) for name in new}
        for name, done in sent.items():
            done.result()
            self._note_sent(name, sizes[name])

    def _put_changed(self, name: str, data: bytes) -> None:
        if self._sent.get(name) != data:
            self._store.put_bytes(name, data)
            self._note_sent(name, len(data))
            self._sent[name] = data

    def _note_sent(self, name: str, size: int) -> None:
        sweep = name.partition("/")[0]
        if sweep != TRACKER_FOLDER and f"{sweep}/sweep.json" not in self._there:
            self._new.add(sweep)
        self._there[name] = size

    def _forget(self, taken: _Snapshot) -> None:
        """Checkpoints that nothing speaks of any more, now that the newer journal is there; and a
        sweep that was taken back, its input being wrong after all."""
        for name in list(self._there):
            sweep, _, rest = name.partition("/")
            here = (self._root / sweep / "sweep.json").exists()
            replaced = here and rest.startswith("checkpoints/") and name not in taken.checkpoints
            if replaced or (not here and sweep in self._new):
                self._store.delete(name)
                del self._there[name]


def signature(root: Path) -> Signature:
    """What a push would look at. Two that are equal: nothing to push."""
    paths = [*_small_files(root), *_kept_files(root), *root.glob("*/checkpoints/*")]
    paths += (root / TRACKER_FOLDER).glob("*.db")
    paths += (root / TRACKER_FOLDER).glob("*.db-wal")
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            stat = path.stat()
            found[str(path.relative_to(root))] = (stat.st_size, stat.st_mtime_ns)
    return found


def _small_files(root: Path) -> Iterator[Path]:
    """What lies in a sweep's folder itself: its record, config, journal and result."""
    for record in sorted(root.glob("*/sweep.json")):
        for path in sorted(record.parent.iterdir()):
            if path.is_file() and not path.name.startswith(".") and path.suffix != ".lock":
                yield path


def _kept_files(root: Path) -> Iterator[Path]:
    """The tracker's blobs and pictures. A name with a dot before it is half written."""
    for pattern in ("artifacts/*/blobs/sha256/*/*", "media/**/*"):
        for path in (root / TRACKER_FOLDER).glob(pattern):
            if path.is_file() and not path.name.startswith("."):
                yield path


def _read(path: Path) -> bytes | None:
    """A file's bytes; of a journal, its whole lines. None if it is gone."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return data[: data.rfind(b"\n") + 1] if path.name == JOURNAL else data


def _stats(database: Path) -> Stats:
    """Of a database and its log: what is different once something was written."""
    found = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        with suppress(FileNotFoundError):
            stat = path.stat()
            found.append((stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def _backup(database: Path, copy: Path) -> None:
    """One snapshot of a database that others write to, in one file.

    Raises OSError, as an upload would: the next push tries again.
    """
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise OSError(f"{database}: cannot be copied: {error}") from error


def _turn(name: str) -> tuple[int, str]:
    """Of a sweep's files: its record last, for that is what makes it a sweep."""
    last = name.rpartition("/")[2]
    return (_FIRST_TO_LAST.index(last) + 1 if last in _FIRST_TO_LAST else 0), name
