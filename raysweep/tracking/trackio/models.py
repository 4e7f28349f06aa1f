"""Which versions a group's finished runs have logged, and whether their bytes are kept."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from raysweep.tracking.port import DROPPED


@dataclass(frozen=True)
class LoggedModel:
    """A version that a run logged. `dropped`: whether its bytes were dropped."""

    run_id: str
    ref: str
    dropped: bool


def logged_models(db: sqlite3.Connection, group: str, name: str) -> list[LoggedModel]:
    """List the versions of the artifact `name` that the group's finished runs logged, in order."""
    rows = db.execute(
        f"""SELECT l.run_id, a.name || ':v' || v.version AS ref,
            json_extract(v.metadata, '$.{DROPPED}') IS NOT NULL AS dropped
        FROM run_artifact_links l
        JOIN artifact_versions v ON v.id = l.artifact_version_id
        JOIN artifacts a ON a.id = v.artifact_id
        JOIN configs c ON c.run_id = l.run_id
        WHERE l.direction = 'output' AND a.name = ?
          AND json_extract(CAST(c.config AS TEXT), '$._Group') = ?
          AND json_extract(CAST(c.config AS TEXT), '$.state') = 'finished'
        ORDER BY l.id""",
        (name, group),
    )
    return [LoggedModel(row["run_id"], row["ref"], bool(row["dropped"])) for row in rows]
