"""What `exec` has recorded in a store, for lists: read without Trackio, whose import takes a
second, and without a lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from raysweep.tracking.sweeps import KeptSweep, Standing
from raysweep.tracking.trackio.sweep_book import events_in, sweeps_in

_RUNS = """SELECT COUNT(*) FROM configs WHERE json_extract(
    json_extract(CAST(config AS TEXT), '$._raysweep'), '$.attributes.exec')"""


def recorded_projects(root: Path, on_skipped: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the projects of the store at `root` with runs or sweeps of `exec`, by name: `project`,
    `runs` (how many), and `sweeps` (see `Standing.summary`). `on_skipped` is called with a line for
    each database that cannot be read."""
    found = []
    for path in sorted(root.glob("*.db")):
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                runs: int = db.execute(_RUNS).fetchone()[0]
                sweeps = [_summary(db, sweep) for sweep in sweeps_in(db)]
        except sqlite3.Error as error:
            on_skipped(f"{path}: cannot be read: {error}")
            continue
        if runs or sweeps:
            found.append({"project": path.stem, "runs": runs, "sweeps": sweeps})
    return found


def _summary(db: sqlite3.Connection, sweep: KeptSweep) -> dict[str, Any]:
    standing = Standing()
    for event in events_in(db, sweep.id):
        standing.apply(event)
    return standing.summary(sweep, yaml.safe_load(sweep.config) or {})
