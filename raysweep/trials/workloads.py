"""Choose the workload of a sweep."""

from __future__ import annotations

from raysweep.config import Config
from raysweep.trials.training.workload import Training
from raysweep.trials.work import Workload


def workload_of(config: Config) -> Workload:
    """Return the workload that `config` asks for."""
    return Training()
