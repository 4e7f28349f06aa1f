"""What a driver's working copy holds, brought to a URI: whatever is there can be resumed.

The journal is what `resume` goes by, so the tracker's store and the checkpoints at the URI may be
ahead of it, and never behind. A push reads the journal first, then copies the database, then lists
the files that these two speak of. It uploads the files, then what has changed in the journals and
the databases, then the snapshot that names all of it, and commits: one conditional write, which
fails where another driver has taken over. A push cut short before that leaves the older snapshot,
and after it no sweep's result that the journal does not lead to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
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
    read_whole_lines,
    signature,
    small_files,
    stats_of,
)
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import CONFIG, JOURNAL, RECORD, RESULT, Remote
from raysweep.storage.bucket.snapshot import Snapshot
from raysweep.storage.bucket.working_copy import WorkingCopy
from raysweep.storage.storage import REOPENED, TRACKER_FOLDER

_SCRATCH = ".push"
_LOOKS = 100


@dataclass
class _Taken:
    """What one push brings. Keys are paths relative to the storage. `whole`: the sweeps of which
    all is here, and not the record alone."""

    whole: set[str] = field(default_factory=set)
    small: dict[str, bytes] = field(default_factory=dict)
    journals: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    checkpoints: dict[str, Path] = field(default_factory=dict)
    databases: dict[str, tuple[Path, Stats]] = field(default_factory=dict)


class Replica:
    """Pushes `copy` to the URI of `remote`. One thread at a time may call it."""

    def __init__(self, store: ObjectStore, copy: WorkingCopy, lease: Lease, remote: Remote) -> None:
        self._store, self._copy, self._root = store, copy, copy.root
        self._lease, self._remote = lease, remote
        self._there = remote.listing
        self._stats: dict[str, Stats] = {}
        self._new: set[str] = set()
        self._pushed: Signature | None = None

    def is_behind(self) -> bool:
        """Whether something has changed here since the last push."""
        return signature(self._root) != self._pushed

    def settled(self) -> None:
        """What is here was pulled a moment ago: there is nothing to push yet."""
        self._pushed = signature(self._root)

    def push(self) -> None:
        """Bring what has changed. Raises OSError where the URI cannot be written, or another driver
        has taken over; what is there can be resumed all the same, and the next push goes on."""
        now = signature(self._root)
        mark = self._copy.new_mark()
        with self._scratch() as scratch:
            taken = self._take(scratch)
            self._put_new(taken.files)
            self._put_new(taken.checkpoints)
            before = self._remote.snapshot_key, self._remote.snapshot
            self._send_changing(taken, scratch, mark)
            self._send_records(taken)
            self._forget(taken, *before)
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
        """The order matters: see the module. Checkpoints are linked, lest one go away meanwhile:
        before the journal is read, those that it may speak of, and after it, newer ones."""
        taken = _Taken(whole={path.parent.name for path in self._root.glob(f"*/{CONFIG}")})
        self._take_checkpoints(taken, scratch)
        kinds = {RESULT: taken.results, JOURNAL: taken.journals}
        for path in small_files(self._root):
            data = read_whole_lines(path)
            if data is not None:
                name = path.relative_to(self._root).as_posix()
                kinds.get(path.name, taken.small)[name] = data
        self._take_databases(taken, scratch)
        self._take_checkpoints(taken, scratch)
        for path in kept_files(self._root):
            taken.files[path.relative_to(self._root).as_posix()] = path
        return taken

    def _take_checkpoints(self, taken: _Taken, scratch: Path) -> None:
        """Look until none goes away between the look and the link: the one in its place was then
        not seen. A driver writes one a second at the most, and a look takes a millisecond."""
        for _ in range(_LOOKS):
            if self._link_checkpoints(taken, scratch):
                return
        raise OSError(f"{self._root}: checkpoints come and go too quickly to be copied")

    def _link_checkpoints(self, taken: _Taken, scratch: Path) -> bool:
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

    def _take_databases(self, taken: _Taken, scratch: Path) -> None:
        for path in (self._root / TRACKER_FOLDER).glob("*.db"):
            name = path.relative_to(self._root).as_posix()
            before = stats_of(path)
            if self._stats.get(name) == before:
                continue
            copy = scratch / path.name
            back_up(path, copy)
            taken.databases[name] = copy, before

    def _send_changing(self, taken: _Taken, scratch: Path, mark: str) -> None:
        """Databases and journals, the snapshot of them all, and the commit that makes it so."""
        known, sent = dict(self._remote.known), {}
        for name, (path, _) in taken.databases.items():
            known[name] = self._send_layers(name, path)
        for name, data in taken.journals.items():
            if self._remote.sent.get(name) != data:
                copy = scratch / "journal"
                copy.write_bytes(data)
                known[name] = self._send_layers(name, copy)
                sent[name] = data
        snapshot = self._snapshot(known, taken)
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

    def _snapshot(self, known: Mapping[str, layers.Known], taken: _Taken) -> Snapshot:
        """What there was, with what this push has changed; not of a sweep that was taken back."""
        files, sweeps = dict(self._remote.snapshot.files), dict(self._remote.snapshot.sweeps)
        files |= {name: each.layers for name, each in known.items()}
        records = {n: data for n, data in taken.small.items() if n.endswith(f"/{RECORD}")}
        sweeps |= {name.partition("/")[0]: data.decode() for name, data in records.items()}
        gone = {name for name in self._new if not (self._root / name / RECORD).exists()}
        return Snapshot(
            {name: each for name, each in files.items() if name.partition("/")[0] not in gone},
            {name: record for name, record in sweeps.items() if name not in gone},
        )

    def _send_records(self, taken: _Taken) -> None:
        """A sweep's small files: its record after the others, for that is what makes it a sweep,
        and its result after the winner's files."""
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
        """Files that never change under their names, several at once. One that is gone by now
        nothing speaks of."""
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
        """A file that may be written over, and not where somebody else has done so."""
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
                self._lease.beat()  # ours, or this raises: then it is of a driver that is dead
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
        """Checkpoints that nothing speaks of any more, now that the newer journal is there; a sweep
        that was taken back, its input being wrong after all; and layers of snapshots before the
        last one (`key`, `before`), which somebody may be reading."""
        now = self._remote.snapshot
        kept = now.keys() | before.keys() | {self._remote.snapshot_key, key}
        for name in list(self._there):
            sweep, _, rest = name.partition("/")
            here = (self._root / sweep / RECORD).exists()
            whole = here and sweep in taken.whole
            replaced = whole and rest.startswith("checkpoints/") and name not in taken.checkpoints
            taken_back = not here and sweep in self._new
            unused = sweep == layers.FOLDER and name not in kept
            # A file whose layers are there was one file in earlier versions.
            if replaced or taken_back or unused or name in now.files:
                self._store.delete(name)
                del self._there[name]
