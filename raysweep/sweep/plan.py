"""`plan`: find out what a sweep would do, without doing it, and without Ray or torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from raysweep.config import (
    Config,
    SweepConfig,
    combinations,
    trials_of,
)
from raysweep.search import space, space_plan
from raysweep.search.space_plan import PlannedParameter
from raysweep.selection import Goal
from raysweep.storage.open_storage import read_storage
from raysweep.storage.reading import tracker_for_reading
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.sweep import preflight
from raysweep.sweep.environment import with_project
from raysweep.tracking import choose
from raysweep.trials.work import PlannedStage
from raysweep.trials.workloads import workload_of


@dataclass(frozen=True)
class Plan:
    """What a sweep would do."""

    tracker: str
    reason: str
    storage: str
    warning: str | None
    stages: tuple[PlannedStage, ...]
    space: tuple[PlannedParameter, ...]
    method: str
    trials: int
    epochs: int | None
    early_terminate: str
    metric: str
    goal: Goal
    combinations: int | None = None
    first: tuple[dict[str, Any], ...] = ()
    notices: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    may_end_early: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(
    config: Config, name: str | None = None, show: int = 5, address: str | None = None
) -> Plan:
    """Check the input as `run` does, and return what `run` would do. Raises UserError as `run`.

    `show`: how many of the first configurations it lists. `address`: of a cluster that the sweep
    would join. It is not asked: what it has is not checked.
    """
    config = with_project(config)
    with read_storage(config.storage) as storage:
        return _plan(config, storage, name, show, address)


def _plan(
    config: Config, storage: Storage, name: str | None, show: int, address: str | None
) -> Plan:
    choice = choose(config.tracking.backend)
    preflight.check(config, storage, name, address=address)
    tracking = config.tracking
    record = SweepRecord.new("plan", tracking.project, tracking.entity, choice.backend, config.kind)
    known = choice.backend != "trackio" or storage.tracker.exists()
    tracker = tracker_for_reading(record, storage) if known else None
    sweep, workload = config.sweep, workload_of(config)
    halving = sweep.early_terminate
    return Plan(
        tracker=choice.backend,
        reason=choice.reason,
        storage=storage.shown,
        warning=workload.absent(config),
        stages=tuple(workload.planned(config, tracker)),
        space=space_plan.parameters(sweep, own=not sweep.runs_a_program),
        method=sweep.method,
        trials=space.trial_count(config),
        epochs=workload.most_epochs(config),
        early_terminate=""
        if halving is None
        else f", stopped early by {halving.describe(workload.most_epochs(config))}",
        metric=sweep.metric.name,
        goal=sweep.metric.goal,
        combinations=combinations(sweep),
        first=() if sweep.method == "bayes" else tuple(trials_of(config)[:show]),
        notices=config.notices,
        search=tuple(_search(sweep)),
        may_end_early=sweep.may_end_early,
    )


def _search(sweep: SweepConfig) -> Iterator[str]:
    """Yield a line for each other option that steers the search."""
    if sweep.sampler is not None:
        yield f"sampler {sweep.sampler.type}"
    if sweep.pbt is not None:
        yield f"population-based training, compared every {sweep.pbt.interval} epoch(s)"
    if sweep.repeats > 1:
        yield f"{sweep.repeats} trials a configuration, ranked by their mean"
    if sweep.metric.target is not None:
        yield f"ends once {sweep.metric.name} reaches {sweep.metric.target:g}"
    if sweep.max_time is not None:
        yield f"ends after {sweep.max_time:g} s"
    if sweep.max_epochs_total is not None:
        yield f"ends after {sweep.max_epochs_total} epochs in all"
