"""The kinds of trials, by the name that a sweep's record has.

Light: `list` and `best` ask how to show a sweep, and a command asks what its fork server is to
import, before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysweep.cluster.faststart.fork_server import NOTHING, Preload
from raysweep.errors import UserError
from raysweep.events import PLAIN, Display
from raysweep.trials.program import kind as program
from raysweep.trials.training import kind as training

if TYPE_CHECKING:
    from raysweep.config import Config
    from raysweep.trials.work import Workload


@dataclass(frozen=True)
class Kind:
    """A kind of trials. `make` imports the workload and makes it; `preload`: the modules that its
    workers need; `display`: how a terminal shows its sweeps."""

    make: Callable[[], Workload]
    preload: Preload = NOTHING
    display: Display = PLAIN


def _training() -> Workload:
    from raysweep.trials.training.workload import Training

    return Training()


def _program() -> Workload:
    from raysweep.trials.program.workload import Program

    return Program()


KINDS = {
    "training": Kind(_training, training.PRELOAD, training.DISPLAY),
    "program": Kind(_program, display=program.DISPLAY),
}


def workload_of(config: Config) -> Workload:
    """Return the workload that `config` asks for."""
    return KINDS[config.kind].make()


def workload_named(name: str) -> Workload:
    """Return the workload that a sweep's record names. Raises UserError for one that only another
    version of raysweep has."""
    if name not in KINDS:
        raise UserError(
            f"the sweep's trials are of the kind {name!r}, which this raysweep does not know "
            f"(it knows {', '.join(KINDS)}); use the version that started the sweep"
        )
    return KINDS[name].make()


def preload_of(name: str) -> Preload:
    """Return the modules that the workers of that kind need; none for an unknown kind."""
    return KINDS[name].preload if name in KINDS else NOTHING


def display_of(name: str) -> Display:
    """Return how a terminal shows that kind of sweep; a plain way for an unknown kind."""
    return KINDS[name].display if name in KINDS else PLAIN
