"""Runs in a Trackio database: SQL statements on a connection that the caller passes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone

from raysweep.errors import TrackingError
from raysweep.tracking.metadata import number
from raysweep.tracking.port import Json, RunRecord
from raysweep.tracking.trackio.artifacts import Links
from raysweep.tracking.trackio.rows import RunEntry, is_media


def now() -> str:
    """Return the time in Trackio's format."""
    return datetime.now(timezone.utc).isoformat()


def find_entry(db: sqlite3.Connection, run_id: str) -> RunEntry | None:
    """Find the run; None if it does not exist."""
    return dict(entries(db, run_id=run_id)).get(run_id)


def entry_of(db: sqlite3.Connection, run_id: str) -> RunEntry:
    """Return the run. Raises TrackingError for an unknown id."""
    entry = find_entry(db, run_id)
    if entry is None:
        raise TrackingError(f"run {run_id!r}: no such run in this project; see its list of runs")
    return entry


def entries(
    db: sqlite3.Connection, group: str | None = None, run_id: str | None = None
) -> list[tuple[str, RunEntry]]:
    """List ids and runs, oldest first, without runs that other programs logged."""
    wanted = ["1"]
    if run_id is not None:  # not `:id IS NULL OR …`, for which SQLite goes through all runs
        wanted.append("run_id = :id")
    if group is not None:
        wanted.append("json_extract(CAST(config AS TEXT), '$._Group') = :group")
    found = db.execute(
        f"SELECT run_id, config FROM configs WHERE {' AND '.join(wanted)} ORDER BY id",
        {"id": run_id, "group": group},
    ).fetchall()
    read = [(row["run_id"], RunEntry.from_config(row["config"])) for row in found]
    return [(run_id, entry) for run_id, entry in read if entry is not None]


def put_entry(db: sqlite3.Connection, run_id: str, entry: RunEntry) -> None:
    """Insert or update the run; its position in the order stays."""
    db.execute(
        """INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (run_id) DO UPDATE SET config = excluded.config""",
        (run_id, entry.name, entry.to_config(), entry.created),
    )


def put_rows(
    db: sqlite3.Connection,
    run_id: str,
    run_name: str,
    rows: Iterable[tuple[str, int, Mapping[str, Json]]],
) -> None:
    """Add rows of (id, step, values); skip those whose id exists."""
    at = now()
    db.executemany(
        """INSERT OR IGNORE INTO metrics (run_id, run_name, timestamp, log_id, step, metrics)
        VALUES (?, ?, ?, ?, ?, ?)""",
        [(run_id, run_name, at, row_id, step, json.dumps(v)) for row_id, step, v in rows],
    )


def drop_rows(db: sqlite3.Connection, run_id: str, after: int) -> None:
    """Remove the rows of all steps past `after`."""
    db.execute("DELETE FROM metrics WHERE run_id = ? AND step > ?", (run_id, after))


def rows_of(db: sqlite3.Connection, run_id: str) -> Iterator[tuple[str, int, dict[str, Json]]]:
    """Yield all logged rows, (id, step, values) in order, with media as payloads."""
    query = "SELECT log_id, step, metrics FROM metrics WHERE run_id = ? ORDER BY step, id"
    for row_id, step, text in db.execute(query, (run_id,)):
        values = {key: number(value) for key, value in json.loads(text).items()}
        if values:
            yield row_id, step, values


def history_of(db: sqlite3.Connection, run_id: str) -> list[dict[str, Json]]:
    """Return the logged numbers, one row per step; for a step logged twice the later value wins."""
    rows: dict[int, dict[str, Json]] = {}
    for _, step, values in rows_of(db, run_id):
        numbers = {key: value for key, value in values.items() if not is_media(value)}
        if numbers:
            rows.setdefault(step, {"step": step}).update(numbers)
    return list(rows.values())


def media_payload(db: sqlite3.Connection, run_id: str, key: str) -> dict[str, Json] | None:
    """Return the payload of the media last logged under `key`."""
    query = "SELECT metrics FROM metrics WHERE run_id = ? ORDER BY id DESC"
    for (text,) in db.execute(query, (run_id,)):
        value = json.loads(text).get(key)
        if is_media(value):
            return dict(value)
    return None


def record(run_id: str, entry: RunEntry, links: Links) -> RunRecord:
    """Convert to the port's RunRecord."""
    return RunRecord(
        id=run_id,
        name=entry.name,
        job_type=entry.job_type,
        group=entry.group,
        state=entry.state,
        config=entry.config,
        summary=entry.summary,
        tags=entry.tags,
        used=tuple(links.inputs(run_id)),
        logged=tuple(links.outputs(run_id)),
        error=entry.error,
        url=entry.url,
        attributes=entry.attributes,
        created=entry.created,
    )
