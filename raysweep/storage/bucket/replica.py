"""Push a driver's working copy to a URI; the state there can be resumed at any time.

`resume` starts from the journal, so the tracker's store and the checkpoints at the URI may be ahead
of it, but never behind. A push reads the journal first, then copies the database, then lists the
files that these two refer to. It uploads the files, then the changes of the journals and the
databases, then the snapshot that names all of it, and commits: one conditional write, which fails
if another driver has taken over. A push that is interrupted before the commit leaves the older
snapshot; after the commit, at most a sweep's result is missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from raysweep.storage.bucket import layers
from raysweep.storage.bucket.at_once import at_once
from raysweep.storage.bucket.conditional import Changed
from raysweep.storage.bucket.lease import Lease
from raysweep.storage.bucket.local_files import (
    Signature,
    Stats,
    back_up,
    kept_files,
    logs,
    read_whole_lines,
    signature,
    small_files,
    stats_of,
)
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import CONFIG, JOURNAL, RECORD, RESULT, Remote
from raysweep.storage.bucket.snapshot import Snapshot
from raysweep.storage.bucket.working_copy import WorkingCopy
from raysweep.storage.storage import TRACKER_FOLDER
from raysweep.storage.sweep_folder import REOPENED

_SCRATCH = ".push"
_LOOKS = 100


@dataclass
class _Taken:
    """The content of one push. Keys are paths relative to the storage. `whole`: the sweeps that are
    completely here, not only their record."""

    whole: set[str] = field(default_factory=set)
    small: dict[str, bytes] = field(default_factory=dict)
    journals: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    checkpoints: dict[str, Path] = field(default_factory=dict)
    databases: dict[str, tuple[Path, Stats]] = field(default_factory=dict)


class Replica:
    """Pushes `copy` to the URI of `remote`. Not thread-safe."""

    def __init__(self, store: ObjectStore, copy: WorkingCopy, lease: Lease, remote: Remote) -> None:
        self._store, self._copy, self._root = store, copy, copy.root
        self._lease, self._remote = lease, remote
        self._there = remote.listing
        self._stats: dict[str, Stats] = {}
        self._new: set[str] = set()
        self._pushed: Signature | None = None

    def is_behind(self) -> bool:
        """Whether anything has changed here since the last push."""
        return bool(self._remote.doomed) or signature(self._root) != self._pushed

    def settled(self) -> None:
        """Mark the current state as pushed: it was just pulled."""
        self._pushed = signature(self._root)

    def push(self) -> None:
        """Upload the changes. Raises OSError if the URI cannot be written, or another driver has
        taken over; the state there can still be resumed, and the next push continues."""
        now = signature(self._root)
        doomed = set(self._remote.doomed)  # what the databases did not refer to before `_take`
        mark = self._copy.new_mark()
        with self._scratch() as scratch:
            taken = self._take(scratch)
            self._put_new(taken.files)
            self._put_new(taken.checkpoints)
            before = self._remote.snapshot_key, self._remote.snapshot
            doomed -= self._remote.spare({*taken.files, *taken.small})
            self._send_changing(taken, scratch, mark, doomed)
            self._send_records(taken)
            self._forget(taken, *before)
            self._delete(doomed)
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

    def _take(self, scratch: Path) -> _Taken:
        """Collect the content of a push, in the order that the module explains.

        Checkpoints are hard-linked, so that none disappears meanwhile: once before the journal is
        read, for those that it may refer to, and once after it, for newer ones.
        """
        taken = _Taken(whole={path.parent.name for path in self._root.glob(f"*/{CONFIG}")})
        self._take_checkpoints(taken, scratch)
        kinds = {RESULT: taken.results, JOURNAL: taken.journals}
        for path in small_files(self._root):
            data = read_whole_lines(path)
            if data is not None:
                name = path.relative_to(self._root).as_posix()
                kinds.get(path.name, taken.small)[name] = data
        self._take_databases(taken, scratch)
        self._take_logs(taken, scratch)
        self._take_checkpoints(taken, scratch)
        for path in kept_files(self._root):
            taken.files[path.relative_to(self._root).as_posix()] = path
        return taken

    def _take_checkpoints(self, taken: _Taken, scratch: Path) -> None:
        """Link all checkpoints; retry if one disappeared between listing and linking, since its
        successor was not listed. A driver writes at most one a second; listing takes 1 ms."""
        for _ in range(_LOOKS):
            if self._link_checkpoints(taken, scratch):
                return
        raise OSError(f"{self._root}: checkpoints change too quickly to be copied")

    def _link_checkpoints(self, taken: _Taken, scratch: Path) -> bool:
        for path in sorted(self._root.glob("[!.]*/checkpoints/*")):
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

    def _take_databases(self, taken: _Taken, scratch: Path) -> None:
        for path in (self._root / TRACKER_FOLDER).glob("*.db"):
            name = path.relative_to(self._root).as_posix()
            before = stats_of(path)
            if self._stats.get(name) == before:
                continue
            copy = scratch / path.name
            back_up(path, copy)
            taken.databases[name] = copy, before

    def _take_logs(self, taken: _Taken, scratch: Path) -> None:
        """Copy the logs that have changed, which runs may be writing: their changes are uploaded as
        a database's are."""
        for path in logs(self._root):
            name = path.relative_to(self._root).as_posix()
            before = stats_of(path)
            if self._stats.get(name) != before:
                copy = scratch / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                taken.databases[name] = copy, before

    def _send_changing(
        self, taken: _Taken, scratch: Path, mark: str, doomed: Collection[str]
    ) -> None:
        """Upload databases and journals, then the snapshot of them, and commit."""
        known, sent = dict(self._remote.known), {}
        for name, (path, _) in taken.databases.items():
            known[name] = self._send_layers(name, path)
        for name, data in taken.journals.items():
            if self._remote.sent.get(name) != data:
                copy = scratch / "journal"
                copy.write_bytes(data)
                known[name] = self._send_layers(name, copy)
                sent[name] = data
        snapshot = self._snapshot(known, taken, doomed)
        key = self._remote.snapshot_key
        if key is None or snapshot != self._remote.snapshot:
            key = snapshot.write(self._store)
            self._there[key] = 0
        self._lease.commit(mark, key)
        self._remote.snapshot_key, self._remote.snapshot = key, snapshot
        self._remote.known |= known
        self._remote.sent |= sent
        for name, (_, stats) in taken.databases.items():
            self._stats[name] = stats

    def _send_layers(self, name: str, path: Path) -> layers.Known:
        sent = layers.send(self._store, name, path, self._remote.known.get(name))
        for key in sent.layers.keys:
            self._there.setdefault(key, 0)
        return sent

    def _snapshot(
        self, known: Mapping[str, layers.Known], taken: _Taken, doomed: Collection[str]
    ) -> Snapshot:
        """Merge this push into the previous snapshot, and drop sweeps that were withdrawn or
        removed."""
        files, sweeps = dict(self._remote.snapshot.files), dict(self._remote.snapshot.sweeps)
        files |= {name: each.layers for name, each in known.items()}
        records = {n: data for n, data in taken.small.items() if n.endswith(f"/{RECORD}")}
        sweeps |= {name.partition("/")[0]: data.decode() for name, data in records.items()}
        gone = {name for name in self._new if not (self._root / name / RECORD).exists()}
        gone |= {path.removesuffix("/") for path in doomed if path.count("/") == 1}
        return Snapshot(
            {name: each for name, each in files.items() if name.partition("/")[0] not in gone},
            {name: record for name, record in sweeps.items() if name not in gone},
        )

    def _send_records(self, taken: _Taken) -> None:
        """Upload sweeps' small files: the record last, since it makes a folder a sweep, and the
        result after the winner's files."""
        for name in sorted(taken.small, key=lambda name: (name.endswith(f"/{RECORD}"), name)):
            self._put_changed(name, taken.small[name])
        for name, data in taken.results.items():
            folder = name.partition("/")[0]
            paths = [path for path in (self._root / folder / "best").glob("*") if path.is_file()]
            best = {f"{folder}/best/{path.name}": path for path in paths}
            if data != REOPENED.encode() and self._remote.sent.get(name) != data:
                for file in best:  # may be another model, of the same size
                    self._there.pop(file, None)
            self._put_new(best)
            self._put_changed(name, data)

    def _put_new(self, files: Mapping[str, Path]) -> None:
        """Upload immutable files concurrently. A file that has been removed meanwhile is no longer
        referenced."""
        sizes = {}
        for name, path in files.items():
            with suppress(FileNotFoundError):
                sizes[name] = path.stat().st_size
        new = [name for name, size in sizes.items() if self._there.get(name) != size]

        def put(name: str) -> None:
            try:
                self._store.put(name, files[name])
            except FileNotFoundError:
                if files[name].exists():
                    raise
            else:
                self._note_sent(name, sizes[name])

        at_once(put, new)

    def _put_changed(self, name: str, data: bytes) -> None:
        """Upload a file that may be overwritten, unless another process has done so."""
        if self._remote.sent.get(name) == data:
            return
        writes = self._lease.writes
        for again in (True, False):
            self._lease.confirm()
            found = writes.read(name) if name in self._there else None
            if found is not None and found.data == data:
                break
            try:
                writes.put(name, data, None if found is None else found.tag)
                break
            except Changed:
                self._lease.beat()  # raises if the lease is lost; else the writer was a dead driver
                self._there[name] = 0
                if not again:
                    raise
        self._note_sent(name, len(data))
        self._remote.sent[name] = data

    def _note_sent(self, name: str, size: int) -> None:
        sweep = name.partition("/")[0]
        if sweep != TRACKER_FOLDER and f"{sweep}/sweep.json" not in self._there:
            self._new.add(sweep)
        self._there[name] = size

    def _forget(self, taken: _Taken, key: str | None, before: Snapshot) -> None:
        """Delete at the URI: checkpoints that the new journal does not refer to; a sweep that was
        withdrawn because its input was wrong; and layers of snapshots before the last one (`key`,
        `before`), which may still have readers."""
        now = self._remote.snapshot
        kept = now.keys() | before.keys() | {self._remote.snapshot_key, key}
        for name in list(self._there):
            sweep, _, rest = name.partition("/")
            here = (self._root / sweep / RECORD).exists()
            whole = here and sweep in taken.whole
            replaced = whole and rest.startswith("checkpoints/") and name not in taken.checkpoints
            taken_back = not here and sweep in self._new
            unused = sweep == layers.FOLDER and name not in kept
            # Earlier versions stored a single file instead of layers.
            if replaced or taken_back or unused or name in now.files:
                self._store.delete(name)
                del self._there[name]

    def _delete(self, doomed: Collection[str]) -> None:
        """Delete at the URI what was removed here. A sweep's record goes last: until then `remove`
        finds the sweep, and completes it."""
        folders = tuple(path for path in doomed if path.endswith("/"))
        names = [name for name in self._there if name in doomed or name.startswith(folders)]
        for name in sorted(names, key=lambda name: name.endswith(f"/{RECORD}")):
            self._store.delete(name)
            self._there.pop(name, None)
            self._remote.sent.pop(name, None)
        self._remote.doomed -= {*doomed}
