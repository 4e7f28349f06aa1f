"""Files of runs: a table of our own in a Trackio database, since Trackio keeps none."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable

from raysweep.tracking.port import ArtifactFile

_TABLE = "raysweep_run_files"


def put(db: sqlite3.Connection, run_id: str, files: Iterable[ArtifactFile]) -> None:
    """Insert or replace files of the run."""
    db.execute(
        f"""CREATE TABLE IF NOT EXISTS {_TABLE} (
        run_id TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
        PRIMARY KEY (run_id, path))"""
    )
    db.executemany(
        f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?, ?, ?)",
        [(run_id, file.path, file.digest, file.size_bytes) for file in files],
    )


def of_runs(db: sqlite3.Connection, run_ids: Collection[str]) -> dict[str, list[ArtifactFile]]:
    """Return the files of these runs, by path."""
    found: dict[str, list[ArtifactFile]] = {}
    if _is_there(db):
        rows = db.execute(
            f"""SELECT run_id, path, digest, size FROM {_TABLE}
            WHERE run_id IN (SELECT value FROM json_each(?)) ORDER BY path""",
            (json.dumps(list(run_ids)),),
        )
        for row in rows:
            file = ArtifactFile(row["path"], row["digest"], row["size"])
            found.setdefault(row["run_id"], []).append(file)
    return found


def every(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Return run, digest and bytes of each file."""
    if not _is_there(db):
        return []
    return [tuple(row) for row in db.execute(f"SELECT run_id, digest, size FROM {_TABLE}")]


def held(db: sqlite3.Connection, without: Collection[str] = ()) -> set[str]:
    """Return the digests of the files of all runs but those `without`."""
    if not _is_there(db):
        return set()
    rows = db.execute(
        f"""SELECT DISTINCT digest FROM {_TABLE}
        WHERE run_id NOT IN (SELECT value FROM json_each(?))""",
        (json.dumps(list(without)),),
    )
    return {row["digest"] for row in rows}


def delete(db: sqlite3.Connection, run_id: str) -> None:
    """Forget the files of the run."""
    if _is_there(db):
        db.execute(f"DELETE FROM {_TABLE} WHERE run_id = ?", (run_id,))


def _is_there(db: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return db.execute(query, (_TABLE,)).fetchone() is not None
