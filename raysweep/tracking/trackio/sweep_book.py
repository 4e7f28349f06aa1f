"""Sweeps that W&B's agents run: two tables of our own in a Trackio database.

A sweep is its config and a log of events, numbered from 0. An event is appended only by who knows
all earlier ones, so that two processes that serve one sweep never hand out the same values twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING

from raysweep.tracking.port import Json
from raysweep.tracking.sweeps import KeptSweep

if TYPE_CHECKING:
    from raysweep.tracking.trackio.database import Database

_SWEEPS, _EVENTS = "raysweep_sweeps", "raysweep_sweep_events"


class SweepBook:
    """See Book."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, sweep: KeptSweep) -> None:
        """See Book."""
        with self._database.writing("keep the sweep") as db:
            db.execute(
                f"""CREATE TABLE IF NOT EXISTS {_SWEEPS} (
                id TEXT PRIMARY KEY, config TEXT NOT NULL, created TEXT NOT NULL)"""
            )
            db.execute(
                f"""CREATE TABLE IF NOT EXISTS {_EVENTS} (
                sweep TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL,
                PRIMARY KEY (sweep, number))"""
            )
            values = (sweep.id, sweep.config, sweep.created)
            db.execute(f"INSERT INTO {_SWEEPS} VALUES (?, ?, ?)", values)

    def sweeps(self) -> list[KeptSweep]:
        """See Book."""
        with self._database.reading("list the sweeps") as db:
            return sweeps_in(db)

    def events(self, sweep: str, start: int = 0) -> list[dict[str, Json]]:
        """See Book."""
        with self._database.reading("read the sweep") as db:
            return events_in(db, sweep, start)

    def append(self, sweep: str, number: int, event: Mapping[str, Json]) -> bool:
        """See Book."""
        with self._database.writing("continue the sweep") as db:
            row = (sweep, number, json.dumps(dict(event)))
            return db.execute(f"INSERT OR IGNORE INTO {_EVENTS} VALUES (?, ?, ?)", row).rowcount > 0


def delete(db: sqlite3.Connection, sweep: str) -> None:
    """Forget a sweep of a project's database; one that is not there is forgotten."""
    if any(each.id == sweep for each in sweeps_in(db)):
        db.execute(f"DELETE FROM {_SWEEPS} WHERE id = ?", (sweep,))
        db.execute(f"DELETE FROM {_EVENTS} WHERE sweep = ?", (sweep,))


def sweeps_in(db: sqlite3.Connection) -> list[KeptSweep]:
    """Return the sweeps of a project's database, the oldest first."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if db.execute(query, (_SWEEPS,)).fetchone() is None:
        return []
    rows = db.execute(f"SELECT id, config, created FROM {_SWEEPS} ORDER BY rowid")
    return [KeptSweep(*row) for row in rows.fetchall()]


def events_in(db: sqlite3.Connection, sweep: str, start: int = 0) -> list[dict[str, Json]]:
    """Return the events of a sweep in a project's database from number `start` on."""
    query = f"SELECT event FROM {_EVENTS} WHERE sweep = ? AND number >= ? ORDER BY number"
    return [json.loads(text) for (text,) in db.execute(query, (sweep, start))]
