"""What all trials of a sweep share. Without torch: the driver makes it, and trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysweep.config import Config
from raysweep.pipeline.selection import Goal
from raysweep.pipeline.stages import SweepIdentity
from raysweep.tracking import ArtifactVersion, Tracker

if TYPE_CHECKING:
    import torch

    from raysweep.pipeline.population import Population, SharedPopulation

TRAINED_MODEL = "trained_model.pth"


@dataclass(frozen=True)
class TrialContext:
    """What all trials of a sweep share. `model` resolves a model configuration to its `convnet`;
    `population` is whom a trial asks whether it goes on as another (population-based training)."""

    sweep: SweepIdentity
    tracker: Tracker
    config: Config
    data: ArtifactVersion
    model: Callable[[Mapping[str, Any]], ArtifactVersion]
    inputs: Path
    metric: str
    goal: Goal
    threads: int
    gpus: float
    population: Population | SharedPopulation | None = None

    def device(self) -> torch.device | None:
        """The CPU for a trial that reserved no GPU: the others' is not ours. Else as it comes."""
        import torch

        return torch.device("cpu") if self.gpus == 0 else None
