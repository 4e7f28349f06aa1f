"""What raysweep notes in a Trackio project beside Trackio's own rows, and the versions' bytes.

The notes are in Trackio's table `project_metadata`: for each artifact the first number that was
never used, so that no number of a removed version comes again; and the paths of bytes that are
still to be removed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from raysweep.tracking.port import DROPPED, METADATA_FILE
from raysweep.tracking.trackio import run_files

_NUMBERS = "raysweep.next_versions"
_DOOMED = "raysweep.to_be_removed"
_FEW = 8
"""Digests that are looked for in the database; parsing all manifests is faster for more."""


@dataclass(frozen=True)
class Version:
    """A version and its bytes. `id` and `artifact_id`: of its rows. `blobs`: digest → size in bytes
    of its files, the record included; of one whose bytes were dropped, of the record alone."""

    id: int
    artifact_id: int
    name: str
    number: int
    aliases: tuple[str, ...]
    dropped: bool
    record: Mapping[str, int]
    blobs: Mapping[str, int]

    @property
    def ref(self) -> str:
        """`name:vK`."""
        return f"{self.name}:v{self.number}"


def versions(db: sqlite3.Connection, *, of: Collection[str] = ()) -> dict[str, Version]:
    """Read all versions of the project, by their references `name:vK`. `of`: only those with one of
    these digests, where they are few."""
    few = list(of) if len(of) <= _FEW else []
    where = f"WHERE {' OR '.join(['instr(v.manifest, ?)'] * len(few))}" if few else ""
    aliases: dict[int, list[str]] = {}
    for row in db.execute("SELECT artifact_version_id, alias FROM artifact_aliases"):
        aliases.setdefault(row[0], []).append(row[1])
    found = {}
    for row in db.execute(
        f"""SELECT v.id, v.artifact_id, a.name, v.version, v.manifest,
            json_extract(v.metadata, '$.{DROPPED}') IS NOT NULL AS dropped
        FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact_id {where} ORDER BY v.id""",
        few,
    ):
        files = json.loads(row["manifest"])
        record = {f["digest"]: f["size"] for f in files if f["path"] == METADATA_FILE}
        blobs = record if row["dropped"] else {f["digest"]: f["size"] for f in files}
        each = Version(
            row["id"],
            row["artifact_id"],
            row["name"],
            row["version"],
            tuple(aliases.get(row["id"], ())),
            bool(row["dropped"]),
            record,
            blobs,
        )
        found[each.ref] = each
    return found


def held(
    known: Mapping[str, Version], without: Collection[str] = (), dropped: Collection[str] = ()
) -> set[str]:
    """The digests of the blobs that versions have, without some versions, and with only the records
    of the `dropped`."""
    left, lean = {*known} - {*without}, {*dropped}
    return {
        digest
        for ref in left
        for digest in (known[ref].record if ref in lean else known[ref].blobs)
    }


def held_digests(db: sqlite3.Connection, digests: Collection[str]) -> set[str]:
    """Return those of the digests that a version has whose bytes were not dropped, or a run."""
    if not digests:
        return set()
    return (held(versions(db, of=digests)) | run_files.held(db)) & set(digests)


def groups(db: sqlite3.Connection) -> dict[str, str]:
    """Map each run's id to its group, without runs that other programs logged."""
    rows = db.execute(
        """SELECT run_id, json_extract(CAST(config AS TEXT), '$._Group') AS "group" FROM configs
        WHERE json_extract(CAST(config AS TEXT), '$._raysweep') IS NOT NULL ORDER BY id"""
    )
    return {row["run_id"]: row["group"] for row in rows}


def first_number(db: sqlite3.Connection, name: str) -> int:
    """Return the smallest number that a new version of the artifact may have."""
    return int(_read(db, _NUMBERS, {}).get(name, 0))


def never_again(db: sqlite3.Connection, name: str, artifact_id: int) -> None:
    """Note that the artifact's numbers so far are used: a version is about to be deleted."""
    query = "SELECT MAX(version) + 1 FROM artifact_versions WHERE artifact_id = ?"
    coming = db.execute(query, (artifact_id,)).fetchone()[0]
    numbers = _read(db, _NUMBERS, {})
    _write(db, _NUMBERS, {**numbers, name: max(coming, numbers.get(name, 0))})


def doomed(db: sqlite3.Connection) -> list[str]:
    """Return the paths, relative to the tracker's folder, of the bytes that are to be removed."""
    return list(_read(db, _DOOMED, []))


def add_doomed(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Note paths of bytes that are to be removed."""
    _write(db, _DOOMED, list(dict.fromkeys([*doomed(db), *paths])))


def forget_doomed(db: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Take paths off the note."""
    over = set(paths)
    _write(db, _DOOMED, [path for path in doomed(db) if path not in over])


def _read(db: sqlite3.Connection, key: str, default: Any) -> Any:
    row = db.execute("SELECT value FROM project_metadata WHERE key = ?", (key,)).fetchone()
    return default if row is None else json.loads(row[0])


def _write(db: sqlite3.Connection, key: str, value: Any) -> None:
    if value or _read(db, key, None) is not None:
        db.execute(
            "INSERT OR REPLACE INTO project_metadata (key, value) VALUES (?, ?)",
            (key, json.dumps(value)),
        )
