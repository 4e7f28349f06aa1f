"""What all trials of a sweep share, and what opens them.

Imports no torch: the driver makes it, and trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from raysweep.config import Config
from raysweep.selection import Goal
from raysweep.stages.versions import TrialVersions
from raysweep.tracking import Tracker
from raysweep.tracking.identity import SweepIdentity
from raysweep.trials.inputs import Inputs

if TYPE_CHECKING:
    from raysweep.search.population import Population, SharedPopulation
    from raysweep.search.spec import TrialSpec
    from raysweep.storage.checkpoints import CheckpointStore
    from raysweep.trials.gate import Gate
    from raysweep.trials.work import Work

TRAINED_MODEL = "trained_model.pth"


class Workload(Protocol):
    """What a sweep is of. Pickled into each worker."""

    def open(self, context: TrialContext, spec: TrialSpec) -> Work:
        """Make the work of a trial. Nothing is begun: Tune prepares trials that never start."""
        ...

    def is_worth_another_process(self, error: BaseException) -> bool:
        """Return whether a trial that raised `error` should be tried again in another process, as
        where its process dies, rather than fail."""
        ...


@dataclass(frozen=True)
class TrialContext:
    """What all trials of a sweep share. `workload` opens them; `versions`: a trial's config → what
    it starts from; `checkpoints` keeps what another process can go on from; `population` is whom a
    trial asks whether it goes on as another (population-based training); `gate` is where it asks
    whether it goes on past a bracket (early stopping in the order of the sweep); `precision` is
    what `train.precision: auto` means on every machine, None: what each machine makes of it;
    `resumed`: a run that begins may have rows of a process that the journal does not know."""

    workload: Workload
    sweep: SweepIdentity
    tracker: Tracker
    config: Config
    versions: Callable[[Config], TrialVersions]
    inputs: Inputs | Path
    metric: str
    goal: Goal
    threads: int
    gpus: float
    checkpoints: CheckpointStore
    population: Population | SharedPopulation | None = None
    gate: Gate | None = None
    precision: str | None = None
    resumed: bool = False
