"""What `exec` has recorded in a store: read without Trackio, whose import takes a second, and
without a lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    """What a name means of that. `runs`: id → state, in the order in which they began; `sweeps`:
    ids of those that agents ran."""

    kind: Literal["run", "sweep", "project"]
    name: str
    project: str
    runs: Mapping[str, str]
    sweeps: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """`run j3k`"""
        return f"{self.kind} {self.name}"

    @property
    def where(self) -> str:
        """`run j3k of p`, or `project p`."""
        return self.what if self.kind == "project" else f"{self.what} of {self.project}"


def find_recorded(root: Path, name: str) -> Recorded | None:
    """Return what `exec` has recorded under this name: a run's id, that of a sweep of agents, or a
    project's name; in whatever project. None if there is none."""
    for path in sorted(root.glob("*.db")):
        with suppress(sqlite3.Error), closing(_opened(path)) as db:
            runs, sweeps = runs_of_exec(db), tuple(sweep.id for sweep in sweeps_in(db))
            if name in runs:
                return Recorded("run", name, path.stem, {name: runs[name]})
            if name in sweeps:
                its = _standing(db, name).runs
                of_it = {run: state for run, state in runs.items() if run in its}
                return Recorded("sweep", name, path.stem, of_it, (name,))
            if name == path.stem and (runs or sweeps):
                return Recorded("project", name, name, runs, sweeps)
    return None


def runs_of_exec(db: sqlite3.Connection) -> dict[str, str]:
    """Map the runs that `exec` has recorded in a project's database to their states, in the order
    in which they began."""
    rows = db.execute(f"SELECT run_id, json_extract({_EXACT}, '$.state') {_OF_EXEC} ORDER BY id")
    return dict(rows)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)


def _summary(
    db: sqlite3.Connection, sweep: KeptSweep, metric_of: MetricOf
) -> tuple[list[tuple[Assigned, Values]], dict[str, Any]]:
    """Return its runs, the best first, with their values; and what is shown of it."""
    standing = _standing(db, sweep.id)
    config = yaml.safe_load(sweep.config) or {}
    metric = metric_of(config)
    ranked = [(run, standing.values[run.number]) for run in standing.ranked(metric)]
    return ranked, standing.summary(sweep, config, metric)


def _standing(db: sqlite3.Connection, sweep: str) -> Standing:
    standing = Standing()
    for event in events_in(db, sweep):
        standing.apply(event)
    return standing
