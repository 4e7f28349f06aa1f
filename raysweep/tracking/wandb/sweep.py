"""A sweep's page in W&B: a W&B sweep, to which its trials' runs belong."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import wandb

from raysweep.tracking.bounded import within
from raysweep.tracking.port import Json
from raysweep.tracking.wandb.project import Project

CREATE_TIMEOUT_S = 30.0
"""The client tries five forms of the request in a row, for older servers."""

_SET_BY_THE_CLIENT = ("WANDB_ENTITY", "WANDB_PROJECT")


@dataclass(frozen=True)
class SweepPage:
    """A W&B sweep: its id, its address, and how the ids of the runs begin that belong to it."""

    id: str
    url: str
    trials: str


def create(
    project: Project, trials: str, sweep: Mapping[str, Json], runs: Sequence[str] = ()
) -> SweepPage:
    """Create a W&B sweep in the project. `trials`: how the ids of its runs begin; `sweep` is its
    configuration in W&B's schema; `runs`: ids of those that are in W&B already. Raises
    TrackingError."""

    def work() -> str:
        with _as_it_was():
            entity, prior = project.entity, list(runs) or None
            return wandb.sweep(dict(sweep), entity=entity, project=project.name, prior_runs=prior)

    with project.explained("create a sweep"):
        id = within(CREATE_TIMEOUT_S, "create a W&B sweep", work)
        return SweepPage(id, f"{project.url}/sweeps/{id}", trials)


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Undo what the client does besides: it prints, and makes the sweep's project the process's
    own default, in which a later sweep would be recorded."""
    before = {name: os.environ.get(name) for name in _SET_BY_THE_CLIENT}
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what it calls itself
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
