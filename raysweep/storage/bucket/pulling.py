"""Download from a URI to a local folder, lazily.

A bucket holds all sweeps, and a command is about one. Of the others only the records are
downloaded, which are in one object at the URI.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from raysweep.paths import safe_join
from raysweep.storage.bucket import layers
from raysweep.storage.bucket.at_once import at_once
from raysweep.storage.bucket.head import Head
from raysweep.storage.bucket.object_store import ObjectStore, unreachable
from raysweep.storage.bucket.snapshot import Snapshot
from raysweep.storage.record import is_name
from raysweep.storage.storage import TRACKER_FOLDER
from raysweep.storage.sweep_folder import LOGS, REOPENED

_AGAIN = 3
"""How often reading is retried when a push replaces the snapshot meanwhile."""

_LEADS_OUT = re.compile(r"(^|[/\\])\.{0,2}([/\\]|$)")

JOURNAL = "journal.jsonl"
RECORD = "sweep.json"
CONFIG = "config.yaml"
RESULT = "result.json"


class Remote:
    """The files at a URI, downloaded below `root` on demand; existing local files stay.

    Methods raise UserError if the URI is unreachable, and UnsafeName for a key that would lie
    outside `root`: keys are untrusted.
    """

    def __init__(self, store: ObjectStore, root: Path, head: Head | None = None) -> None:
        """`head`: the current head, if the caller holds the lease; None to read it."""
        self._store, self.root = store, root
        self.known: dict[str, layers.Known] = {}
        """The state of databases and journals at the URI."""
        self.doomed: set[str] = set()
        """What the next push deletes at the URI: paths of files, and of folders, with a slash."""
        self.sent: dict[str, bytes] = {}
        """The small files that are the same here as at the URI."""
        with self._explained():
            self.listing = store.list()
            """Path → size in bytes, of all files at the URI."""
            for path in filter(_LEADS_OUT.search, self.listing):
                self._here(path)
            self.snapshot_key: str | None = None
            self.snapshot = Snapshot()
            self._read_snapshot(head)

    def sweeps(self) -> list[str]:
        """List the names of the sweeps at the URI."""
        found = (path.partition("/") for path in list(self.listing))
        return [name for name, _, rest in found if rest == RECORD]

    def has_ended(self, name: str) -> bool:
        """Whether the sweep has a result; a resumed sweep's result is void."""
        return self.listing.get(f"{name}/{RESULT}", 0) > len(REOPENED)

    def has_tracker(self) -> bool:
        """Whether a tracker's store is at the URI."""
        there = (*self.snapshot.files, *self.listing)
        return any(path.startswith(f"{TRACKER_FOLDER}/") for path in there)

    def records(self) -> None:
        """Download every sweep's record: a folder with only a record stands for a sweep that is
        not downloaded."""
        with self._explained():
            asked = []
            for name in self.sweeps():
                path = f"{name}/{RECORD}"
                here = self._here(path).exists()
                if name in self.snapshot.sweeps:
                    record = self.snapshot.sweeps[name].encode()
                    self.sent[path] = record
                    if not here:
                        self._place(path, record)
                elif not here:
                    asked.append(path)
            at_once(self._bring_small, asked)

    def results(self) -> None:
        """Download every sweep's result."""
        with self._explained():
            at_once(self._bring_small, [f"{n}/{RESULT}" for n in self.sweeps()])

    def journal(self, name: str) -> None:
        """Download a sweep's journal."""
        with self._explained():
            self._bring_changing(f"{name}/{JOURNAL}")

    def has(self, path: str) -> bool:
        """Whether a file, or a folder with files, is at the URI at this path."""
        return path in self.listing or any(each.startswith(f"{path}/") for each in self.listing)

    def bytes_below(self, folder: str) -> int:
        """Sum up the sizes of the files below a folder, which ends with a slash."""
        return sum(size for path, size in self.listing.items() if path.startswith(folder))

    def sizes_in(self, folder: str) -> dict[str, int]:
        """Map the names in a folder, which ends with a slash, to the bytes of the files below."""
        found: dict[str, int] = {}
        for path, size in self.listing.items():
            if path.startswith(folder):
                name = path.removeprefix(folder).partition("/")[0]
                found[name] = found.get(name, 0) + size
        return found

    def doom(self, paths: Iterable[str]) -> None:
        """Delete these files at the URI, and those below paths that end with a slash, after the
        next push has committed that nothing refers to them (see `Replica`)."""
        self.doomed |= set(paths)

    def spare(self, needed: Iterable[str]) -> set[str]:
        """Take paths off the doomed, which are here again; return them."""
        spared = self.doomed & set(needed)
        self.doomed -= spared
        return spared

    def sweep(self, name: str) -> None:
        """Download a sweep's files, and its checkpoints if it has not ended. The config comes last:
        its presence means that the sweep is complete here."""
        if f"{name}/{RECORD}" not in self.listing or self._here(f"{name}/{CONFIG}").exists():
            return
        with self._explained():
            self._bring_changing(f"{name}/{JOURNAL}")
            its = [path for path in list(self.listing) if path.startswith(f"{name}/")]
            config = f"{name}/{CONFIG}"
            small = [path for path in its if _is_small(path)]
            at_once(self._bring_small, [path for path in small if path != config])
            if not self.has_ended(name):
                self._bring(path for path in its if path.startswith(f"{name}/checkpoints/"))
            self._bring_small(config)

    def project(self, project: str) -> None:
        """Download a project's database."""
        from trackio.sqlite_storage import SQLiteStorage

        with self._explained():
            name = SQLiteStorage.get_project_db_filename(project)
            self._bring_changing(f"{TRACKER_FOLDER}/{name}")

    def projects(self) -> None:
        """Download all databases, with the pictures of all runs."""
        with self._explained():
            for name in {*self.snapshot.files, *self.listing}:
                if _is_database(name):
                    self._bring_changing(name)
            self._bring(p for p in list(self.listing) if p.startswith(f"{TRACKER_FOLDER}/media/"))

    def log_sizes(self, name: str) -> dict[str, int]:
        """Map each run of the sweep that has a log to its size in bytes."""
        start = f"{name}/{LOGS}/"
        found = {
            path.removeprefix(start).removesuffix(".log"): layers.size
            for path, layers in self.snapshot.files.items()
            if path.startswith(start) and path.endswith(".log")
        }
        return {run: size for run, size in found.items() if is_name(run)}

    def logs(
        self, name: str, runs: Iterable[str] | None = None, most_bytes: int | None = None
    ) -> None:
        """Download the logs of these runs of a sweep, or of all; not those that are larger than
        `most_bytes`."""
        wanted = [
            f"{name}/{LOGS}/{run}.log"
            for run, size in self.log_sizes(name).items()
            if (runs is None or run in runs) and (most_bytes is None or size <= most_bytes)
        ]
        with self._explained():
            at_once(self._bring_changing, wanted)

    def media(self, project: str, runs: Iterable[str]) -> None:
        """Download the pictures that these runs logged."""
        folders = tuple(f"{TRACKER_FOLDER}/media/{project}/{run}/" for run in runs)
        with self._explained():
            self._bring(path for path in list(self.listing) if path.startswith(folders))

    def blobs(self, project: str, digests: Iterable[str]) -> None:
        """Download blobs of a project. Skips those that are missing, which their reader reports."""
        paths = [blob_path(project, digest) for digest in dict.fromkeys(digests)]
        missing = [path for path in paths if not self._here(path).exists()]
        with self._explained():
            if not set(missing) <= self.listing.keys():
                self.listing |= self._store.list(f"{TRACKER_FOLDER}/artifacts/{project}")
            self._bring(path for path in missing if path in self.listing)

    def read_changing(self, name: str) -> bytes:
        """Return a journal's bytes at the URI; empty if it is not there."""
        target = self.root.parent / f".{self.root.name}.read"
        try:
            self._fetch_changing(name, target)
            return target.read_bytes()
        except FileNotFoundError:
            return b""
        finally:
            target.unlink(missing_ok=True)

    def _bring_changing(self, name: str) -> None:
        """Download a database or a journal. Its state at the URI is recorded before the file
        appears here, so that a push knows it."""
        target = self._here(name)
        if target.exists() or (name not in self.snapshot.files and name not in self.listing):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".partial.{target.name}")
        try:
            known = self._fetch_changing(name, partial)
            if known is not None:
                self.known[name] = known
                if name.endswith(JOURNAL):
                    self.sent[name] = partial.read_bytes()
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _fetch_changing(self, name: str, target: Path) -> layers.Known | None:
        """Download to `target`; return None for a single file that an earlier raysweep wrote."""
        for again in range(_AGAIN):
            if name not in self.snapshot.files:
                self._store.get(name, target)
                return None
            try:
                return layers.fetch(self._store, self.snapshot.files[name], target)
            except FileNotFoundError:
                if again + 1 == _AGAIN:
                    raise
                self._read_snapshot(None)
        raise AssertionError("returned or raised")

    def _read_snapshot(self, head: Head | None) -> None:
        for again in range(_AGAIN):
            key = (head or Head.read(self._store)).snapshot
            try:
                self.snapshot, self.snapshot_key = Snapshot.read(self._store, key), key
                return
            except FileNotFoundError:
                if head is not None or again + 1 == _AGAIN:
                    raise

    def _bring_small(self, path: str) -> None:
        if self._here(path).exists() or path not in self.listing:
            return
        data = self._store.read(path)
        if data is not None:
            self._place(path, data)

    def _place(self, path: str, data: bytes) -> None:
        target = self._here(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.sent[path] = data
        partial = target.with_name(f".partial.{target.name}")
        partial.write_bytes(data)
        partial.replace(target)

    def _bring(self, paths: Iterable[str]) -> None:
        targets = {path: self._here(path) for path in paths}

        def get(path: str) -> None:
            if not targets[path].exists():
                self._store.get(path, targets[path])

        at_once(get, targets)

    def _here(self, path: str) -> Path:
        return safe_join(self.root, path, self._store.uri)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, json.JSONDecodeError) as error:
            raise unreachable(self._store.uri, error) from error


def blob_path(project: str, digest: str) -> str:
    """Return a blob's path in a storage (see `tracking.blobs`, `tracking.trackio.database`)."""
    return f"{TRACKER_FOLDER}/artifacts/{project}/blobs/sha256/{digest[:2]}/{digest}"


def _is_small(path: str) -> bool:
    folder, _, name = path.partition("/")
    return bool(name) and "/" not in name and folder != TRACKER_FOLDER and name[0] != "."


def _is_database(path: str) -> bool:
    return path.startswith(f"{TRACKER_FOLDER}/") and path.count("/") == 1 and path.endswith(".db")
