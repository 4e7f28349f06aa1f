"""What `exec` has recorded in a store: read without Trackio, whose import takes a second, and
without a lock."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from raysweep.tracking.sweeps import Assigned, KeptSweep, Metric, Standing, Values
from raysweep.tracking.trackio.sweep_book import events_in, sweeps_in

_EXACT = "json_extract(CAST(config AS TEXT), '$._raysweep')"
_OF_EXEC = f"FROM configs WHERE json_extract({_EXACT}, '$.attributes.exec')"


MetricOf = Callable[[Mapping[str, Any]], Metric | None]
"""The config of a sweep → by what its runs are judged."""


def recorded_projects(
    root: Path, metric_of: MetricOf, on_skipped: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return the projects of the store at `root` with runs or sweeps of `exec`, by name: `project`,
    `runs` (how many), and `sweeps` (see `Standing.summary`). `on_skipped` is called with a line for
    each database that cannot be read."""
    found = []
    for path in sorted(root.glob("*.db")):
        try:
            with closing(_opened(path)) as db:
                runs: int = db.execute(f"SELECT COUNT(*) {_OF_EXEC}").fetchone()[0]
                sweeps = [_summary(db, sweep, metric_of)[1] for sweep in sweeps_in(db)]
        except sqlite3.Error as error:
            on_skipped(f"{path}: cannot be read: {error}")
            continue
        if runs or sweeps:
            found.append({"project": path.stem, "runs": runs, "sweeps": sweeps})
    return found


def recorded_sweep(root: Path, id: str, metric_of: MetricOf) -> dict[str, Any] | None:
    """Return the sweep of `exec` with this id, in whatever project: `project`, what
    `Standing.summary` returns, and `trials`: of each run that was not cut short, the best first,
    `run`, `state` (running, ended or failed), `score` and `values`. None if there is none."""
    for path in sorted(root.glob("*.db")):
        with suppress(sqlite3.Error), closing(_opened(path)) as db:
            for sweep in (each for each in sweeps_in(db) if each.id == id):
                ranked, summary = _summary(db, sweep, metric_of)
                trials = [
                    {
                        "run": run.run,
                        "state": run.state,
                        "score": run.score,
                        "values": dict(values),
                    }
                    for run, values in ranked
                ]
                return {"project": path.stem, **summary, "trials": trials}
    return None


@dataclass(frozen=True)
class Recorded:
    """What a name means of that. `what`: `run j3k`, `sweep k2x` or `project p`; `runs`: in the
    order in which they began, `id`, `name`, `state` and `created` (ISO, UTC) of each; `sweeps`: ids
    of those that agents ran."""

    project: str
    what: str
    runs: tuple[Mapping[str, Any], ...]
    sweeps: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """`run j3k of p`."""
        is_project = self.what == f"project {self.project}"
        return self.what if is_project else f"{self.what} of {self.project}"


def find_recorded(root: Path, name: str) -> Recorded | None:
    """Return what `exec` has recorded under this name: a run's id, that of a sweep of agents, or a
    project's name; in whatever project. None if there is none."""
    for path in sorted(root.glob("*.db")):
        with suppress(sqlite3.Error), closing(_opened(path)) as db:
            runs = _runs(db)
            sweeps = {sweep.id: sweep for sweep in sweeps_in(db)}
            one = tuple(run for run in runs if run["id"] == name)
            if one:
                return Recorded(path.stem, f"run {name}", one)
            if name in sweeps:
                standing = Standing()
                for event in events_in(db, name):
                    standing.apply(event)
                its = tuple(run for run in runs if run["id"] in standing.runs)
                return Recorded(path.stem, f"sweep {name}", its, (name,))
            if name == path.stem and (runs or sweeps):
                return Recorded(name, f"project {name}", tuple(runs), tuple(sweeps))
    return None


def _runs(db: sqlite3.Connection) -> list[dict[str, Any]]:
    keys = ("name", "state", "created")
    rows = db.execute(f"SELECT run_id, {_EXACT} {_OF_EXEC} ORDER BY id").fetchall()
    entries = ((run_id, json.loads(exact)) for run_id, exact in rows)
    return [{"id": run_id, **{key: each[key] for key in keys}} for run_id, each in entries]


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def _summary(
    db: sqlite3.Connection, sweep: KeptSweep, metric_of: MetricOf
) -> tuple[list[tuple[Assigned, Values]], dict[str, Any]]:
    """Return its runs, the best first, with their values; and what is shown of it."""
    standing = Standing()
    for event in events_in(db, sweep.id):
        standing.apply(event)
    config = yaml.safe_load(sweep.config) or {}
    metric = metric_of(config)
    ranked = [(run, standing.values[run.number]) for run in standing.ranked(metric)]
    return ranked, standing.summary(sweep, config, metric)
