"""Choose the device on which a trial computes."""

from __future__ import annotations

import torch

from raysweep.ml.compute import default_device
from raysweep.trials.context import TrialContext


def device_of(context: TrialContext) -> torch.device:
    """Return the CPU for a trial that reserved no GPU, since the machine's GPUs belong to others;
    otherwise the default device."""
    return torch.device("cpu") if context.gpus == 0 else default_device()
