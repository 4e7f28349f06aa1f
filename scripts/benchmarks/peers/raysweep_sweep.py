"""Run raysweep as its users do, `python -m raysweep run`, and read the times from its store."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.turns import run_process


def run_sweep(config: dict[str, Any] | None, storage: Path, *arguments: str) -> dict[str, Any]:
    """Run a sweep; return its `result.json` with `began` and `wall_s`. `first_step` and `trained`:
    the times of the first trial's first step and of the last logged model, seconds since the
    epoch."""
    command = [sys.executable, "-m", "raysweep", "run", "--storage", str(storage), "--json"]
    if config is not None:
        path = storage.with_suffix(".yaml")
        path.write_text(json.dumps(config))
        command.insert(4, str(path))
    figures = run_process([*command, "--tracker", "trackio", *arguments])
    return {**figures, **_times(storage, figures["project"], figures["sweep"])}


def _times(storage: Path, project: str, sweep: str) -> dict[str, float]:
    """Read both times. Rows without values mark a run's start, and are not steps."""
    trials = """SELECT run_id FROM configs
        WHERE json_extract(CAST(config AS TEXT), '$._Group') = :sweep
        AND json_extract(CAST(config AS TEXT), '$.job_type') = 'train'"""
    step = f"SELECT MIN(timestamp) FROM metrics WHERE metrics != '{{}}' AND run_id IN ({trials})"
    model = f"""SELECT MAX(v.created_at) FROM artifact_versions v
        JOIN run_artifact_links l ON l.artifact_version_id = v.id
        WHERE l.direction = 'output' AND l.run_id IN ({trials})"""
    with closing(sqlite3.connect(storage / "tracker" / f"{project}.db")) as db:
        (first,), (last,) = (
            db.execute(query, {"sweep": sweep}).fetchone() for query in (step, model)
        )
    return {"first_step": _seconds(first), "trained": _seconds(last)}


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
