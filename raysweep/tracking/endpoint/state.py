"""All that an endpoint knows: its projects, and versions in the making."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from raysweep.tracking.endpoint.artifacts import VersionView
from raysweep.tracking.endpoint.drafts import Draft
from raysweep.tracking.endpoint.graphql import Refusal
from raysweep.tracking.endpoint.live import Heard, LiveRun
from raysweep.tracking.endpoint.paging import parts_of
from raysweep.tracking.endpoint.project import Project
from raysweep.tracking.endpoint.served_sweep import Sweep
from raysweep.tracking.endpoint.sweep_view import SweepView
from raysweep.tracking.endpoint.sweeps import Sweeping, Sweeps
from raysweep.tracking.endpoint.uploads import Uploads
from raysweep.tracking.port import Json
from raysweep.tracking.store import Store

UNCATEGORIZED = "uncategorized"
"""The project of a program that names none, as W&B calls it."""


@dataclass
class State:
    """`stores`: a project's name → its store. `first`: the run of a sweep's trial, which the first
    run that a program begins becomes; None outside of sweeps. `sweeping`: what serves the sweeps of
    W&B's agents, if anything does. Hold `lock` while you use it."""

    stores: Callable[[str], Store]
    first: str | None
    heard: Heard
    sweeping: Sweeping | None = None
    interrupted: bool = False
    uploads: Uploads = field(default_factory=Uploads)
    projects: dict[str, Project] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    drafts_by_client_id: dict[str, Draft] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def project(self, name: str | None) -> Project:
        """Return the project, which is opened when it is first named."""
        name = name or UNCATEGORIZED
        if name not in self.projects:
            project = Project(name, self.stores(name), self.uploads)
            if self.sweeping is not None:
                project.kept_sweeps = Sweeps(
                    project.store, project.live, self.sweeping, lambda: self.interrupted
                )
                project.elsewhere = partial(self._elsewhere, name)
            self.projects[name] = project
        return self.projects[name]

    def hear(self, run_id: str, row: Mapping[str, Json]) -> None:
        """Pass on a row of a run's history."""
        self.heard(run_id, row)
        for project in self.projects.values():
            if project.kept_sweeps is not None:
                project.kept_sweeps.heard(run_id, row)

    def sweeps(self) -> list[Sweep]:
        """Return the sweeps that were named here."""
        kept = [project.kept_sweeps for project in self.projects.values()]
        return [sweep for each in kept if each is not None for sweep in each.served.values()]

    def project_of(self, name: str | None, sweep: str | None) -> Project:
        """Return the project of a run: the one that is named, or that of its sweep."""
        project = self.project(name)
        found = project.sweep(sweep) if sweep and project.name == UNCATEGORIZED else None
        return found.project if found is not None else project

    def _elsewhere(self, project: str, id: str) -> SweepView | None:
        """Find a sweep that the project lacks. Its client may name no project; where it names a
        wrong one, raises Refusal (404), which says the right one."""
        for name in self.sweeping.projects() if self.sweeping is not None else ():
            other = self.project(name)
            found = other.kept_sweeps.find(id) if other.kept_sweeps is not None else None
            if found is None:
                continue
            if project == UNCATEGORIZED:
                return SweepView(found, other)
            text = f"sweep {id} is of project {name}, not of {project}: name it {name}/{id}"
            raise Refusal(text, status=404)
        return None

    def begin_run(self, project: Project, name: str) -> tuple[LiveRun, bool]:
        """Return the run that a program begins under this name, and whether it is new."""
        first, self.first = self.first, None
        if first is not None:
            return project.begin_as(name, first)
        return project.begin(name)

    def version(self, id: str) -> VersionView | None:
        """Return the version of that id, or the one that a draft has become."""
        if (draft := self.drafts.get(id)) is not None:
            return VersionView(draft.place, draft.version) if draft.version else None
        parts = parts_of(id)
        if len(parts) == 3 and parts[0] == "artifact":
            return self.project(parts[1]).artifact(parts[2])
        return None
