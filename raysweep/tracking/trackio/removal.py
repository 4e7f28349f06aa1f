"""Take runs, versions and bytes out of a Trackio project, so that what other sweeps need stays.

Removing is crash-safe. One transaction takes the rows out and notes the paths whose bytes are not
needed any more; the bytes go afterwards, and then the note. A process that dies in between leaves
the note, and the next call of `bury` continues. Transactions that refer to a blob check under
the same lock that it is there (see `TrackioStore.commit_artifact`).
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from raysweep.errors import ArtifactNotFound
from raysweep.paths import safe_join
from raysweep.tracking.names import parse_reference
from raysweep.tracking.port import DROPPED, METADATA_FILE
from raysweep.tracking.trackio import artifacts, notes, run_files, sweep_book
from raysweep.tracking.trackio.database import Database
from raysweep.tracking.trackio.models import LoggedModel, logged_models
from raysweep.tracking.trackio.reach import Removable, removable
from raysweep.tracking.trackio.recorded import runs_of_exec
from raysweep.tracking.trackio.shares import Shares, shares
from raysweep.tracking.trackio.taken import Removed, Taken

_BATCH = 100
"""Files removed in one transaction: other processes wait meanwhile."""


class Removing:
    """The removing of one project's rows and bytes. `root` is the tracker's folder."""

    def __init__(self, database: Database, root: Path, project: str) -> None:
        self._database, self._root, self._project = database, root, project

    def plan(self, removed: Removed) -> Taken:
        """Say what `remove` would take out now."""
        with self._database.reading("read what is to be removed") as db:
            return _plan(db, removed)[0]

    def remove(self, removed: Removed) -> Taken:
        """Take the sweeps' rows out, durably; `bury` removes the bytes. Idempotent."""
        with self._database.writing("remove a sweep") as db:
            taken, lost = _plan(db, removed)
            _move_aliases(db, taken, removed)
            _delete_versions(db, taken.versions)
            for ref in taken.dropped:
                _mark_dropped(db, ref, "remove --force")
            for run_id in taken.runs:
                _delete_run(db, run_id)
            for sweep in removed.of_agents:
                sweep_book.delete(db, sweep)
            _mend_producers(db)
            db.execute(
                "DELETE FROM artifacts WHERE id NOT IN (SELECT artifact_id FROM artifact_versions)"
            )
            media = [self._media(run_id) for run_id in taken.runs]
            paths = [*(self._blob(digest) for digest in lost), *media]
            for path in paths:  # before the transaction is committed
                self._target(path)
            notes.add_doomed(db, paths)
        self._settle()
        return taken

    def shares(
        self,
        sweeps: Mapping[str, str],
        pins: Mapping[str, Collection[str]],
        pins_there: Mapping[str, Collection[str]],
        there: str = Removed().there,
    ) -> Shares:
        """Say how many bytes of blobs each sweep needs alone, and shares. `sweeps`: id → name; the
        pins are as in `Removed`, by the sweep's name."""

        def sweep_of(run_id: str) -> str | None:
            quick = sweeps.get(run_id.partition("-")[0])
            long = (name for each, name in sweeps.items() if run_id.startswith(f"{each}-"))
            return quick or next(long, None)

        with self._database.reading("add up the sizes") as db:
            versions, events = notes.versions(db), list(artifacts.events(db))
            files = run_files.every(db)
        named = {
            sweep: {
                *refs,
                *_pinned_there(versions, Removed(pins_there=tuple(pins_there[sweep]), there=there)),
            }
            for sweep, refs in pins.items()
        }
        every = Removed(names=tuple(sweeps.values()), there=there)
        held = [ref for ref, each in versions.items() if _protects(each.aliases, every)]
        return shares(events, versions, sweep_of, named, held, files)

    def models(self, group: str, name: str) -> list[LoggedModel]:
        """List the versions of the artifact `name` that the group's finished runs logged."""
        with self._database.reading("list models") as db:
            return logged_models(db, group, name)

    def drop(self, refs: Collection[str], why: str) -> list[str]:
        """Mark these versions as without their bytes, durably; return the paths of these, which
        `bury` removes. Bytes that another version has, too, stay."""
        with self._database.writing("drop a version's bytes") as db:
            lost: set[str] = set()
            for ref in refs:
                lost |= _mark_dropped(db, ref, why)
            lost -= notes.held_digests(db, lost)
            paths = [self._blob(digest) for digest in sorted(lost)]
            notes.add_doomed(db, paths)
        self._settle()
        return paths

    def bury(self, only: Collection[str] | None = None, *, keep_note: bool = False) -> list[str]:
        """Remove the bytes that are noted as not needed; return the noted paths, relative to the
        tracker's folder, a run's pictures as a folder.

        Paths that are needed again stay, and are taken off the note. `keep_note`: leave the others
        on it, since they may be at a URI, too, until `forget`. `only`: look at these paths alone.
        """
        with self._database.reading("read what is to be removed") as db:
            todo = (path for path in notes.doomed(db) if only is None or path in only)
        gone: list[str] = []
        while batch := list(islice(todo, _BATCH)):
            with self._database.writing("remove bytes") as db:
                held = notes.held_digests(db, {path.rpartition("/")[2] for path in batch})
                needed = {path for path in batch if path.rpartition("/")[2] in held}
                needed |= {path for path in batch if _has_run(db, path)}
                for path in batch:
                    if path not in needed:
                        self._unlink(path)
                notes.forget_doomed(db, needed if keep_note else batch)
                gone += [path for path in batch if path not in needed]
        return gone

    def forget(self, paths: Iterable[str]) -> None:
        """Take these paths off the note: nothing of them is left anywhere."""
        if paths := list(paths):
            with self._database.writing("note what was removed") as db:
                notes.forget_doomed(db, paths)

    def compact(self) -> None:
        """Give the pages of the removed rows back to the disk, if they are many."""
        with self._database.explained("make the database smaller"):
            self._database.compact()

    def _settle(self) -> None:
        with self._database.explained("put the store on the disk"):
            self._database.settle()

    def _unlink(self, path: str) -> None:
        target = self._target(path)
        if path.startswith("media/") and not target.is_symlink():
            if target.exists():
                shutil.rmtree(target)
            return
        target.unlink(missing_ok=True)
        with suppress(OSError):  # others are in it
            target.parent.rmdir()

    def _target(self, path: str) -> Path:
        """The file or folder, or the link in its place, which itself is removed. Raises UnsafeName
        for a path that leads out of the store otherwise: the database may be another's."""
        above, _, name = path.rpartition("/")
        link = safe_join(self._root, above) / name
        return link if link.is_symlink() else safe_join(self._root, path)

    def _blob(self, digest: str) -> str:
        return f"artifacts/{self._project}/blobs/sha256/{digest[:2]}/{digest}"

    def _media(self, run_id: str) -> str:
        return f"media/{self._project}/{run_id}"


def _plan(db: sqlite3.Connection, removed: Removed) -> tuple[Taken, list[str]]:
    """What goes, and the digests of the blobs that nothing needs any more."""
    versions = notes.versions(db)
    pins = {ref for ref in removed.pins if ref in versions}
    pins |= set(_pinned_there(versions, removed))
    pins |= {ref for ref, each in versions.items() if _protects(each.aliases, removed)}
    found = removable(
        list(artifacts.events(db)),
        notes.groups(db),
        versions,
        pins,
        removed,
        runs_of_exec(db),
    )
    dropped = tuple(ref for ref in found.stay if removed.force and not versions[ref].dropped)
    held = notes.held(versions, without=found.versions, dropped=dropped)
    held |= run_files.held(db, without=found.runs)
    files = (file for each in run_files.of_runs(db, found.runs).values() for file in each)
    blobs = {file.digest: file.size_bytes for file in files}
    for ref in (*found.versions, *dropped):
        blobs |= versions[ref].blobs
    lost = {digest: size for digest, size in blobs.items() if digest not in held}
    taken = Taken(
        runs=found.runs,
        versions=found.versions,
        stay=found.stay,
        dropped=dropped,
        aliases=_aliases_after(versions, found, removed, dropped),
        blobs=lost,
        media=found.runs,
    )
    return taken, list(lost)


def _protects(aliases: Iterable[str], removed: Removed) -> bool:
    """Whether one of the aliases is somebody's own, or another sweep's."""
    ours = {"latest", "best", *(f"best-{name}" for name in removed.names)}
    return any(alias not in ours and not alias.startswith(removed.there) for alias in aliases)


def _pinned_there(versions: Mapping[str, notes.Version], removed: Removed) -> Iterator[str]:
    """The versions here of references in W&B's numbers, whichever W&B project has them."""
    pins = {(ref.rpartition(":")[0], ref.rpartition(":")[2]) for ref in removed.pins_there}
    for ref, version in versions.items():
        for alias in version.aliases:
            number = alias.rpartition("-")[2]
            if alias.startswith(removed.there) and (version.name, number) in pins:
                yield ref


def _aliases_after(
    versions: Mapping[str, notes.Version],
    found: Removable,
    removed: Removed,
    dropped: Collection[str],
) -> dict[str, str | None]:
    """Where `latest` and `best` go that a removed version has: `latest` to the newest that is left,
    `best` to the winner of the sweep that is asked for; None where there is none."""
    gone, after = {*found.versions}, dict[str, str | None]()
    for ref in found.versions:
        name = versions[ref].name
        left = [v for v in versions.values() if v.name == name and v.ref not in gone]
        if "latest" in versions[ref].aliases:
            newest = max(left, key=lambda each: each.number, default=None)
            after[f"{name}:latest"] = newest.ref if newest else None
        if "best" in versions[ref].aliases:
            usable = [v for v in left if not v.dropped and v.ref not in dropped]
            wins = (
                v.ref
                for sweep in removed.takes_best
                for v in usable
                if f"best-{sweep}" in v.aliases
            )
            after[f"{name}:best"] = next(wins, None)
    return after


def _move_aliases(db: sqlite3.Connection, taken: Taken, removed: Removed) -> None:
    for name in removed.names:
        db.execute("DELETE FROM artifact_aliases WHERE alias = ?", (f"best-{name}",))
    for alias, ref in taken.aliases.items():
        if ref is not None:
            artifacts.set_alias(db, artifacts.find(db, ref), parse_reference(alias).spec)


def _delete_versions(db: sqlite3.Connection, refs: Iterable[str]) -> None:
    known = notes.versions(db)
    gone = [known[ref] for ref in refs]
    for name, artifact_id in {(each.name, each.artifact_id) for each in gone}:
        notes.never_again(db, name, artifact_id)
    for table in ("artifact_aliases", "run_artifact_links"):
        query = f"DELETE FROM {table} WHERE artifact_version_id = ?"
        db.executemany(query, [(each.id,) for each in gone])
    db.executemany("DELETE FROM artifact_versions WHERE id = ?", [(each.id,) for each in gone])


def _delete_run(db: sqlite3.Connection, run_id: str) -> None:
    tables = ("metrics", "system_metrics", "traces", "alerts", "configs", "pending_uploads")
    for table in (*tables, "run_artifact_links", "external_run_artifact_links"):
        db.execute(f"DELETE FROM {table} WHERE run_id = ?", (run_id,))
    run_files.delete(db, run_id)


def _mend_producers(db: sqlite3.Connection) -> None:
    """Name a remaining run as the producer of a version whose producer was removed."""
    db.execute(
        """UPDATE artifact_versions AS v SET (producer_run_id, producer_run_name) = (
            SELECT l.run_id, l.run_name FROM run_artifact_links l
            WHERE l.artifact_version_id = v.id AND l.direction = 'output' ORDER BY l.id LIMIT 1)
        WHERE producer_run_id NOT IN (SELECT run_id FROM configs)
          AND EXISTS (SELECT 1 FROM run_artifact_links l
            WHERE l.artifact_version_id = v.id AND l.direction = 'output')"""
    )


def _mark_dropped(db: sqlite3.Connection, ref: str, why: str) -> set[str]:
    """Mark the version; return the digests of its files but its record."""
    try:
        found = artifacts.find(db, ref)
    except ArtifactNotFound:  # the call was made before
        return set()
    metadata = json.dumps({**(found["metadata"] or {}), DROPPED: why})
    db.execute(
        "UPDATE artifact_versions SET metadata = ? WHERE id = ?", (metadata, found["version_id"])
    )
    return {file["digest"] for file in found["manifest"] if file["path"] != METADATA_FILE}


def _has_run(db: sqlite3.Connection, path: str) -> bool:
    """Whether the path is of the pictures of a run that is there (again)."""
    run_id = path.rpartition("/")[2]
    query = "SELECT 1 FROM configs WHERE run_id = ?"
    return path.startswith("media/") and db.execute(query, (run_id,)).fetchone() is not None
