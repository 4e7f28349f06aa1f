"""A project's sweeps, and what it takes to serve them to W&B's agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raysweep.errors import RaysweepError
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.live import LiveRun, new_run_id
from raysweep.tracking.endpoint.served_sweep import Sweep, now
from raysweep.tracking.port import Json
from raysweep.tracking.store import Store
from raysweep.tracking.sweeps import Book, KeptSweep, Search


@dataclass(frozen=True)
class Sweeping:
    """What an endpoint needs to serve sweeps. `book`: a project's store → its sweeps; `search`: a
    sweep's config, as YAML → what decides it, or ConfigError; `projects`: the names of all."""

    book: Callable[[Any], Book]
    search: Callable[[str], Search]
    projects: Callable[[], list[str]]


@dataclass
class Sweeps:
    """A project's sweeps. See Sweep; `served`: those that a client has named here."""

    store: Store
    live: Mapping[str, LiveRun]
    sweeping: Sweeping
    interrupted: Callable[[], bool]
    served: dict[str, Sweep] = field(default_factory=dict)

    def create(self, config: str) -> Sweep:
        """Make a sweep. Raises Refusal for a config that cannot be run."""
        try:
            self.sweeping.search(config)
        except RaysweepError as error:
            raise Refusal(str(error)) from error
        kept = KeptSweep(new_run_id(), config, now())
        self._book.create(kept)
        made = self._serve(kept)
        made.is_ours = True
        return made

    def find(self, id: str) -> Sweep | None:
        """Return the sweep of that id."""
        return self.served.get(id) or next((s for s in self.all() if s.kept.id == id), None)

    def all(self) -> list[Sweep]:
        """Return all sweeps, the oldest first."""
        return [self._serve(kept) for kept in self._book.sweeps()]

    def heard(self, run: str, row: Mapping[str, Json]) -> None:
        """Take a row of a run's history, and stop the run if it falls behind."""
        for sweep in self.served.values():
            its = sweep.standing.runs.get(run)
            if its is not None and its.is_open and sweep.heard(run, row):
                self.live[run].stop_requested.set()

    def _serve(self, kept: KeptSweep) -> Sweep:
        if kept.id not in self.served:
            search, interrupted = self.sweeping.search, self.interrupted
            self.served[kept.id] = Sweep(
                kept, self.store, self.live, self._book, search, interrupted
            )
        return self.served[kept.id]

    @property
    def _book(self) -> Book:
        return self.sweeping.book(self.store)
