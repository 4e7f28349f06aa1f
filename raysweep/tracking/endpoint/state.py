"""All that an endpoint knows: its projects, and versions in the making."""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from raysweep.tracking.endpoint.artifacts import VersionView
from raysweep.tracking.endpoint.drafts import Draft
from raysweep.tracking.endpoint.live import Heard, LiveRun
from raysweep.tracking.endpoint.paging import parts_of
from raysweep.tracking.endpoint.project import Project
from raysweep.tracking.endpoint.uploads import Uploads
from raysweep.tracking.store import Store

UNCATEGORIZED = "uncategorized"
"""The project of a program that names none, as W&B calls it."""


@dataclass
class State:
    """`stores`: a project's name → its store. `first`: the run of a sweep's trial, which the first
    run that a program begins becomes; None outside of sweeps. Hold `lock` while you use it."""

    stores: Callable[[str], Store]
    first: str | None
    heard: Heard
    uploads: Uploads = field(default_factory=Uploads)
    projects: dict[str, Project] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    drafts_by_client_id: dict[str, Draft] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def project(self, name: str | None) -> Project:
        """Return the project, which is opened when it is first named."""
        name = name or UNCATEGORIZED
        if name not in self.projects:
            self.projects[name] = Project(name, self.stores(name), self.uploads)
        return self.projects[name]

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

    def new_run_id(self) -> str:
        """Make an id as the client makes them: 8 letters and digits."""
        return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
