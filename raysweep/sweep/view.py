"""A stored sweep as `show`, `report` and `load_result` look at it: read from the storage alone.

It works on a sweep that runs, from any process, on one that was stopped, and on one that has ended.
Neither Ray nor torch is imported.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from raysweep.events import Display
from raysweep.search.budget import EndedBy
from raysweep.selection import Goal
from raysweep.storage.journal import read_journal
from raysweep.storage.open_storage import read_storage
from raysweep.storage.reading import StoredSweep, kept_store, state_of
from raysweep.storage.storage import Storage
from raysweep.sweep.axes import ParameterView, display_in, space_of
from raysweep.sweep.told import State, Telling, TrialTold

SweepState = Literal["running", "ended", "stopped", "unknown"]
"""As in `list`: `ended` has a best; `stopped` is for `resume`, or says why it has no best; whether
one at a URI runs is `unknown` here."""


@dataclass(frozen=True)
class TrialView:
    """One trial. Times are Unix times in seconds; what was not recorded is None."""

    trial: str
    """`trial-0003`"""
    number: int
    values: Mapping[str, Any]
    """The swept values, by parameter."""
    state: State
    started: float | None
    ended: float | None
    node: str | None
    """Host name of the node it ran on last."""
    worker: str | None
    """Tells two workers of a node apart: `host/pid 4711`."""
    history: tuple[Mapping[str, Any], ...]
    """A row a report, in order: `epoch` from 0, `step` (the run's at its end), its metrics."""
    metrics: Mapping[str, Any]
    """Those that count for the choice: of the built-in training, the best epoch's."""
    artifact: str | None
    """What it logged last, `trained-model:v3`."""
    error: str | None
    """In one line: the exception and its message."""
    where: str | None
    """`file:line` of the innermost frame of the user's code."""
    traceback: str | None
    log: Path | None
    """The file that has what it printed. Of a sweep at a URI it may not have been downloaded."""
    repeat: int = 0
    """Its number among the trials of its configuration, from 0."""
    epochs: int | None = None
    """How many reports it makes if nothing stops it, where that is known."""
    restarts: int = 0
    """How often its process died, and another went on."""
    duration_s: float | None = None
    """From its start to its end, of the sweep's own time: without a night between two drivers. None
    for one that has not ended."""


@dataclass(frozen=True)
class StageView:
    """A stage: `load`, `preprocess`, `initialize`. `started` is the end of what came before it."""

    stage: str
    artifact: str
    cached: bool
    """Whether an earlier version was reused."""
    started: float | None
    ended: float | None
    node: str | None
    log: Path | None


@dataclass(frozen=True)
class SweepView:
    """A sweep with all of its trials, in the order of the sweep."""

    sweep: str
    project: str
    tracker: str
    state: SweepState
    config: Mapping[str, Any]
    """As it ran: resolved, plain values."""
    metric: str
    """Empty where the sweep names none, and nothing is chosen as best."""
    goal: Goal
    space: tuple[ParameterView, ...]
    trials: tuple[TrialView, ...]
    stages: tuple[StageView, ...]
    best: Mapping[str, Any] | None
    """As in `result.json`; None before the end."""
    test: Mapping[str, Any] | None
    started: float | None
    ended: float | None
    versions: Mapping[str, str]
    """Of python, ray, torch and others, as the last driver had them."""
    folder: Path
    result: Mapping[str, Any] | None = field(default=None, repr=False)
    """`result.json`"""
    budget: EndedBy | None = None
    """What ended it before its last trial: `max_time`, `target`, …"""
    wall_s: float = 0.0
    """The sweep's own time: the sum over its drivers."""
    kind: str = "training"
    """The kind of its trials (see `trials.workloads`)."""
    planned: int | None = None
    """How many trials it has if nothing ends it before; None where that was not recorded."""

    @property
    def repeats(self) -> int:
        """Trials per configuration."""
        repeats: int = self.config["sweep"].get("repeats", 1)
        return repeats

    @property
    def inputs(self) -> dict[str, str]:
        """Map the name of what each stage returned to its version."""
        refs = [each.artifact.partition(":") for each in self.stages]
        return {name: version for name, _, version in refs}

    @property
    def cached_stages(self) -> tuple[str, ...]:
        """Name the stages that reused an earlier version."""
        return tuple(each.stage for each in self.stages if each.cached)

    @cached_property
    def display(self) -> Display:
        """How to show its kind of trials."""
        return display_in(self.kind, self.config)

    @property
    def percent(self) -> bool:
        """Whether metrics called accuracy are percent, as the built-in training's are."""
        return self.display.percent


def load_view(storage: Path | str | Storage, sweep: str | None = None) -> SweepView:
    """Look at the named sweep, or the latest, of a storage: a folder, a URI, or one that is open.

    Of a URI that is not open, the paths of logs are valid only within this call. Raises UserError
    for a sweep that does not exist or cannot be read, and TrackingError where its store cannot.
    """
    if isinstance(storage, Storage):
        return view_of(StoredSweep.find(storage, sweep))
    with read_storage(storage) as place:
        return view_of(StoredSweep.find(place, sweep))


def view_of(stored: StoredSweep, *, artifacts: bool = True) -> SweepView:
    """Look at a sweep. Without `artifacts` the tracker's store is not opened, and what trials
    logged is None."""
    with no_collection():
        return _view_of(stored, artifacts=artifacts)


def _view_of(stored: StoredSweep, *, artifacts: bool) -> SweepView:
    folder, record = stored.folder, stored.record
    result = folder.result()
    events = read_journal(folder.journal)
    told = Telling(events, datetime.fromisoformat(record.created).timestamp())
    state: SweepState = state_of(stored.storage, folder) or "unknown"  # type: ignore[assignment]
    if state == "stopped" or state == "ended":
        told.leave()
    config = told.events[0]["config"] if told.events else _config(stored)
    wall_s = float(told.events[-1]["at"]) if told.events else 0.0
    if result is not None:
        wall_s = float(result.get("wall_s", wall_s))
    logs = _logs(stored)
    products = _products(stored) if artifacts else {}
    metric = config["sweep"]["metric"] or {"name": "", "goal": "minimize"}
    over = told.of("budget")
    return SweepView(
        sweep=record.name,
        project=record.project,
        tracker=record.tracker,
        state=state,
        config=config,
        metric=metric["name"],
        goal=metric["goal"],
        space=space_of(config),
        trials=tuple(
            _trial(told.trials[index], config, products, logs, record.kind)
            for index in sorted(told.trials)
        ),
        stages=_stages(told, logs),
        best=result["best"] if result else None,
        test=result["test"] if result else None,
        started=told.started,
        ended=None if state in ("running", "unknown") else told.ended(wall_s),
        versions=told.versions,
        folder=folder.path,
        result=result,
        budget=over[0]["why"] if over else None,
        wall_s=wall_s,
        kind=record.kind,
        planned=told.events[0].get("trials") if told.events else None,
    )


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause the garbage collector, which takes a third of the time that 10,000 trials take: it
    looks through all of their events again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _config(stored: StoredSweep) -> Mapping[str, Any]:
    """That of a sweep whose journal is empty: its driver was killed before the first event."""
    from raysweep.config.yaml import read_mapping

    return read_mapping(stored.folder.config)


def _trial(
    told: TrialTold,
    config: Mapping[str, Any],
    products: Mapping[str, str],
    logs: Mapping[str, Path],
    kind: str,
) -> TrialView:
    worker = None if told.node is None else f"{told.node}/pid {told.pid}"
    name = told.name
    return TrialView(
        trial=name,
        number=told.index,
        values=told.values,
        state=told.state,
        started=told.started,
        ended=told.ended,
        node=told.node,
        worker=worker,
        history=tuple(told.history),
        metrics=told.best or {},
        artifact=products.get(name),
        error=told.failure.get("error"),
        where=told.failure.get("where"),
        traceback=told.failure.get("traceback"),
        log=logs.get(name),
        repeat=told.repeat,
        epochs=_epochs(config, told.values, kind),
        restarts=told.restarts,
        duration_s=told.took_s,
    )


def _epochs(config: Mapping[str, Any], values: Mapping[str, Any], kind: str) -> int | None:
    """Of the built-in training and those with its `epochs`."""
    if kind == "program":
        return None  # whatever it means by a parameter of that name
    usual = config.get("train", {}).get("epochs")
    epochs = values.get("epochs", values.get("train.epochs", usual))
    return epochs if isinstance(epochs, int) else None


def _stages(told: Telling, logs: Mapping[str, Path]) -> tuple[StageView, ...]:
    found, before = [], None
    for event in told.events:
        if event["event"] == "stage":
            name = event["stage"]
            place = (event.get("node"), logs.get(name))
            ended = told.time(event)
            found.append(StageView(name, event["ref"], event["cached"], before, ended, *place))
        before = told.time(event)
    return tuple(found)


def _logs(stored: StoredSweep) -> dict[str, Path]:
    """Map each run that has a log to it."""
    folder, origin = stored.folder, stored.storage.origin
    there = {} if origin is None else origin.log_sizes(stored.record.name)
    found = {run: folder.log(run) for run in there}
    with suppress(OSError), os.scandir(folder.path / "logs") as entries:
        found |= {
            each.name.removesuffix(".log"): Path(each.path)
            for each in entries
            if each.name.endswith(".log") and each.is_file(follow_symlinks=False)
        }
    return found


def _products(stored: StoredSweep) -> dict[str, str]:
    """Map each trial to what it logged last."""
    if stored.storage.origin is None and not stored.storage.tracker.exists():
        return {}  # kept in W&B alone
    prefix = f"{stored.record.id}-"
    store = kept_store(stored.record, stored.storage)
    return {
        event.run_id.removeprefix(prefix): event.ref
        for event in store.events()
        if event.direction == "output" and event.run_id.startswith(prefix)
    }
