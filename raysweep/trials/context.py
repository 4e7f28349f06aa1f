"""The settings and services that all trials of a sweep share.

Does not import torch: the driver creates the context, and trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from raysweep.cluster.logs import Logs, NoLogs
from raysweep.config import Config
from raysweep.selection import Goal
from raysweep.tracking import ArtifactVersion, Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.inputs import Inputs

if TYPE_CHECKING:
    from raysweep.search.population import Population, SharedPopulation
    from raysweep.storage.checkpoints import CheckpointStore
    from raysweep.trials.gate import Gate


@dataclass(frozen=True)
class TrialContext:
    """Everything that the trials of a sweep share.

    versions: a trial's config → the artifact versions it starts from, by name.
    checkpoints: stores the state from which another process can continue a trial.
    population: asked by a trial whether to continue from another member's checkpoint
    (population-based training).
    gate: asked by a trial whether to continue past a bracket (`early_terminate.order: sweep`).
    threads, gpus: a trial's share of its machine.
    settings: what the workload decided once for all trials (see `Settings`).
    resumed: a run that starts may already have rows, logged by a process that the journal does not
    record.
    logs: keep what runs print.
    fail_fast: the driver needs the exception of a trial that fails.
    """

    sweep: SweepIdentity
    tracker: Tracker
    config: Config
    versions: Callable[[Config], Mapping[str, ArtifactVersion]]
    inputs: Inputs | Path
    metric: str
    goal: Goal
    threads: int
    gpus: float
    checkpoints: CheckpointStore
    population: Population | SharedPopulation | None = None
    gate: Gate | None = None
    settings: Mapping[str, str | None] = field(default_factory=dict)
    resumed: bool = False
    logs: Logs = field(default_factory=NoLogs)
    fail_fast: bool = False
