"""Which kind of trials a sweep is of."""

from __future__ import annotations

from raysweep.config import Config
from raysweep.trials.context import Workload
from raysweep.trials.training.workload import Training


def workload_of(config: Config) -> Workload:
    """Return the workload that `config` asks for."""
    return Training()
