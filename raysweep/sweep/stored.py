"""The sweeps of a storage from Python: `sweeps` lists them, `load_result` reads one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from raysweep.config import Config
from raysweep.events import WarmStarted
from raysweep.stderr import to_stderr
from raysweep.storage.open_storage import read_storage
from raysweep.storage.reading import StoredSweep, listed
from raysweep.storage.storage import Storage
from raysweep.sweep.result import Best, Scores, StoredResult, SweepResult, TrialCounts
from raysweep.sweep.standing import row_of
from raysweep.sweep.view import SweepState, SweepView, view_of
from raysweep.tracking.port import METADATA_FILE


@dataclass(frozen=True)
class ListedSweep:
    """A sweep of a storage. `state`: `running`, `ended` (it has a best), `stopped` (`resume`
    continues it, or says why it has no best), or `unknown` (at a URI). `result` is what
    `result.json` says, None before the end."""

    sweep: str
    created: datetime
    project: str
    tracker: str
    state: SweepState
    result: Mapping[str, Any] | None


def sweeps(storage: str | Path | None = None) -> list[ListedSweep]:
    """List the sweeps of a storage (default ./runs; a folder or a URI), oldest first.

    Prints a line to stderr for each that cannot be read. Raises UserError if the storage cannot.
    """
    with read_storage(storage or Config().storage, results=True) as place:
        return [
            ListedSweep(
                sweep=each["sweep"],
                created=datetime.fromisoformat(each["created"]),
                project=each["project"],
                tracker=each["tracker"],
                state=each["state"] or "unknown",
                result=each["result"],
            )
            for each in listed(place, to_stderr)
        ]


def load_result(name: str | None = None, storage: str | Path | None = None) -> StoredResult:
    """Read what a storage has of a sweep: of an ended one the SweepResult that `run_sweep`
    returned.

    Of one that runs, was interrupted or has no trial that could win it is a StoredResult whose
    `best` is None, with its leaderboard, histories and failures. `name` is the sweep's, or how it
    begins; None means the latest. `storage` is a folder or a URI, ./runs by default. Raises
    UserError for a sweep that does not exist.
    """
    with read_storage(storage or Config().storage) as place:
        return result_of(view_of(StoredSweep.find(place, name), artifacts=False), place)


def result_of(view: SweepView, storage: Storage) -> StoredResult:
    """Make the SweepResult of a sweep that has one, or what there is of another."""
    rows = tuple(row_of(trial) for trial in view.trials)
    shared: dict[str, Any] = {
        "sweep": view.sweep,
        "project": view.project,
        "tracker": view.tracker,
        "folder": view.folder,
        "metric": view.metric,
        "goal": view.goal,
        "rows": rows,
        "repeats": view.repeats,
        "display": view.display,
        "reports": {trial.trial: trial.history for trial in view.trials},
    }
    found = view.result
    if found is None:
        return StoredResult(
            **shared,
            artifacts=view.inputs,
            cached_stages=view.cached_stages,
            trials=TrialCounts.of(list(rows)),
            best=None,
            test=Scores(),
            wall_s=view.wall_s,
            model_path=None,
            promotion="",
            promoted=False,
            ended_by=view.budget,
            state=view.state,
        ).at(storage)
    best, counts = found["best"], found["trials"]  # without a metric there is no best
    warm = found.get("warm_start")
    return (StoredResult if best is None else SweepResult)(
        **shared,
        artifacts=found["artifacts"],
        cached_stages=tuple(found["cached_stages"]),
        trials=TrialCounts(**{key: counts[key] for key in TrialCounts.__annotations__}),
        best=Best(**{key: best[key] for key in Best.__annotations__ if key in best})
        if best
        else None,  # type: ignore[arg-type]
        test=Scores(found["test"] or {}),
        wall_s=found["wall_s"],
        model_path=_model(view, storage),
        promotion=found.get("promotion", ""),
        promoted=found.get("promoted", True),
        links=found.get("links", {}),
        unsent=tuple(found.get("unsent", ())),
        ended_by=found.get("ended_by", "completed"),
        warm_start=None
        if warm is None
        else WarmStarted(tuple(warm["sweeps"]), warm["taken"], warm["passed_over"]),
    ).at(storage)


def _model(view: SweepView, storage: Storage) -> Path | None:
    """The winner's file. At a URI it is there, though it has not been downloaded."""
    from raysweep.stages.stages import TRAINED_MODEL

    if view.kind == "program":
        return _of_program(view.folder / "best")
    path = view.folder / "best" / TRAINED_MODEL
    logged = view.best is not None and view.best["artifact"] is not None
    return path if path.is_file() or (storage.is_uri and logged) else None


def _of_program(folder: Path) -> Path | None:
    """The winner's file, or the folder of its files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != METADATA_FILE]
    return files[0] if len(files) == 1 else folder if files else None
