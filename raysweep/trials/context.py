"""What all trials of a sweep share. Without torch: the driver makes it, and trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from raysweep.config import Config
from raysweep.selection import Goal
from raysweep.stages.stages import TRAINED_MODEL as TRAINED_MODEL
from raysweep.stages.stages import SweepIdentity
from raysweep.stages.versions import TrialVersions
from raysweep.tracking import Tracker
from raysweep.trials.inputs import Inputs

if TYPE_CHECKING:
    import torch

    from raysweep.search.population import Population, SharedPopulation
    from raysweep.storage.checkpoints import CheckpointStore
    from raysweep.trials.gate import Gate


@dataclass(frozen=True)
class TrialContext:
    """What all trials of a sweep share. `versions`: a trial's config → what it starts from;
    `checkpoints` keeps what another process can go on from; `population` is whom a trial asks
    whether it goes on as another (population-based training); `gate` is where it asks whether it
    goes on past a bracket (early stopping in the order of the sweep); `precision` is what
    `train.precision: auto` means on every machine, None: what each machine makes of it;
    `resumed`: a run that begins may have rows of a process that the journal does not know."""

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

    def device(self) -> torch.device:
        """The CPU for a trial that reserved no GPU: the others' is not ours. Else as it comes."""
        import torch

        from raysweep.ml.compute import default_device

        return torch.device("cpu") if self.gpus == 0 else default_device()
