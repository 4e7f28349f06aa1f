"""What all trials of a sweep share. Without torch: the driver makes it, and trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

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
    """What all trials of a sweep share. `versions`: a trial's config → what it starts from, by
    name; `checkpoints` keeps what another process can go on from; `population` is whom a trial asks
    whether it goes on as another (population-based training); `gate` is where it asks whether it
    goes on past a bracket (early stopping in the order of the sweep); `threads` and `gpus` are a
    trial's share of its machine; `settings` is what the workload decided once for all trials (see
    `Settings`); `resumed`: a run that begins may have rows of a process that the journal does not
    know."""

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
