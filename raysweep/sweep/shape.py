"""What `show --json` and `show --csv` print: the keys of `result.json`, and more beside them.

Times are ISO 8601, in UTC; what was not recorded is null; NaN and infinities are null, too.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from raysweep.storage.storage import Storage
from raysweep.storage.sweep_folder import LOGS
from raysweep.sweep.standing import causes, counts, ranking
from raysweep.sweep.view import SweepView, TrialView
from raysweep.tracking import RunRecord

BUDGET = ("run_cap", "repeats", "max_time", "max_trials", "max_epochs_total")
"""The keys of the section `sweep` that limit it."""

NO_DIFFERENCE = frozenset({"storage", "sweep.name", "sweep.description"})
"""Where a sweep is kept, and what it is called, is no difference between two."""


def sweep_json(view: SweepView, storage: Storage, top: int | None = None) -> dict[str, Any]:
    """Convert to what `show SWEEP --json` prints. `top`: how many trials the leaderboard has; None:
    all."""
    shape: dict[str, Any] = plain(
        {
            **(view.result or _unfinished(view)),
            "trials": counts(view),
            "state": view.state,
            "metric": view.metric or None,
            "goal": view.goal if view.metric else None,
            "started": moment(view.started),
            "ended": moment(view.ended),
            "wall_s": round(view.wall_s, 3),
            "planned": view.planned,
            "budget": {
                **{key: view.config["sweep"].get(key) for key in BUDGET},
                "target": (view.config["sweep"]["metric"] or {}).get("target"),
                "ended_by": view.budget,
            },
            "folder": str(storage.shown_path(view.folder)),
            "versions": view.versions,
            "config": view.config,
            "stages": [
                {
                    "stage": each.stage,
                    "artifact": each.artifact,
                    "cached": each.cached,
                    "ended": moment(each.ended),
                }
                for each in view.stages
            ],
            "causes": [
                {"error": each.error, "where": each.where, "trials": each.trials}
                for each in causes(view)
            ],
            "leaderboard": [
                {"rank": rank, **trial_json(trial, storage)}
                for rank, trial in enumerate(in_order(view)[:top], start=1)
            ],
        }
    )
    return shape


def _unfinished(view: SweepView) -> dict[str, Any]:
    """The keys of `result.json` of a sweep without one."""
    return {
        "sweep": view.sweep,
        "project": view.project,
        "tracker": view.tracker,
        "artifacts": view.inputs,
        "cached_stages": list(view.cached_stages),
        "failures": [
            {
                "trial": each.trial,
                "error": each.error,
                "where": each.where,
                "log": f"{LOGS}/{each.trial}.log",
            }
            for each in view.trials
            if each.state == "failed"
        ],
        "best": None,
        "test": None,
    }


def in_order(view: SweepView) -> list[TrialView]:
    """List the trials, best first, those of a configuration together."""
    return [trial for each in ranking(view) for trial in each.trials]


def trial_json(trial: TrialView, storage: Storage) -> dict[str, Any]:
    """Convert to a row of the leaderboard."""
    return {
        "trial": trial.trial,
        "state": trial.state,
        "epochs": len(trial.history),
        "metrics": trial.metrics,
        "values": trial.values,
        "repeat": trial.repeat,
        "started": moment(trial.started),
        "ended": moment(trial.ended),
        "duration_s": None if trial.duration_s is None else round(trial.duration_s, 3),
        "node": trial.node,
        "worker": trial.worker,
        "artifact": trial.artifact,
        "error": trial.error,
        "where": trial.where,
        "log": None if trial.log is None else str(storage.shown_path(trial.log)),
    }


def whole_trial_json(
    view: SweepView, trial: TrialView, run: RunRecord | None, log_end: Sequence[str], store: Storage
) -> dict[str, Any]:
    """Convert to what `show SWEEP TRIAL --json` prints. `run`: its record in the tracker."""
    rank = [each.trial for each in in_order(view)].index(trial.trial) + 1
    shape: dict[str, Any] = plain(
        {
            "sweep": view.sweep,
            "metric": view.metric or None,
            "goal": view.goal if view.metric else None,
            "rank": rank,
            **trial_json(trial, store),
            "history": trial.history,
            "restarts": trial.restarts,
            "used": [] if run is None else run.used,
            "logged": [] if run is None else run.logged,
            "url": None if run is None else run.url,
            "traceback": trial.traceback,
            "log_end": log_end,
        }
    )
    return shape


def comparison_json(views: Sequence[SweepView], storage: Storage) -> dict[str, Any]:
    """Convert to what `show A B --json` prints: the sweeps without their trials, and where their
    configs differ."""
    sweeps = [sweep_json(view, storage, top=0) for view in views]
    for each in sweeps:
        del each["leaderboard"]
    return {"sweeps": sweeps, "differences": plain(differences(views))}


def differences(views: Sequence[SweepView]) -> dict[str, list[Any]]:
    """Map each key in which the configs differ, dotted, to its value in each; None where it has
    none."""
    configs = [dict(flat(view.config)) for view in views]
    keys = dict.fromkeys(key for each in configs for key in each)
    found = {key: [each.get(key) for each in configs] for key in keys}
    return {
        key: values
        for key, values in found.items()
        if key not in NO_DIFFERENCE and any(value != values[0] for value in values)
    }


def flat(value: Mapping[str, Any], where: str = "") -> list[tuple[str, Any]]:
    """List the keys of nested mappings, dotted, each with its value."""
    found: list[tuple[str, Any]] = []
    for key, each in value.items():
        name = f"{where}{key}"
        found += flat(each, f"{name}.") if isinstance(each, Mapping) else [(name, each)]
    return found


def write_csv(views: Sequence[SweepView], storage: Storage, file: TextIO) -> int:
    """Write a row a trial, those of each sweep best first. Returns how many there are.

    A metric or parameter that is called as another column is `metrics/NAME` or `values/NAME`.
    """
    rows = [
        {"sweep": view.sweep, "rank": rank, **trial_json(trial, storage)}
        for view in views
        for rank, trial in enumerate(in_order(view), start=1)
    ]
    cells = [_csv_row(row) for row in rows]
    columns = dict.fromkeys(column for row in cells for column in row)
    last = ("started", "ended", "duration_s", "node", "worker", "artifact", "error", "where", "log")
    ordered = [each for each in columns if each not in last]
    writer = csv.DictWriter(file, [*ordered, *(each for each in last if each in columns)])
    writer.writeheader()
    writer.writerows(cells)
    return len(cells)


def _csv_row(row: dict[str, Any]) -> dict[str, Any]:
    metrics, values = row.pop("metrics"), row.pop("values")
    named = {f"metrics/{key}" if key in row else key: each for key, each in metrics.items()}
    taken = {*row, *named}
    swept = {f"values/{key}" if key in taken else key: each for key, each in values.items()}
    return {key: _cell(value) for key, value in {**row, **named, **swept}.items()}


def write_history(trial: TrialView, file: TextIO) -> int:
    """Write a row a report. Returns how many there are."""
    columns = dict.fromkeys(column for row in trial.history for column in row)
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in trial.history)
    return len(trial.history)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, tuple, dict, bool)) else value


def moment(time: float | None) -> str | None:
    """Format a Unix time: `2026-11-30T22:46:27.123+00:00`."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="milliseconds")


def plain(value: Any) -> Any:
    """Replace non-finite numbers by None, and tuples by lists: JSON has neither."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (dict, Mapping)):  # a dict is found sooner as such
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
