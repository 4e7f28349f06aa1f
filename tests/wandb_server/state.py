"""All that the server knows, in memory; only the bytes of files lie in a folder."""

from __future__ import annotations

import itertools
import threading
from datetime import datetime, timezone

from wandb_server.artifacts import Artifact
from wandb_server.blobs import BlobStore
from wandb_server.errors import Refusal
from wandb_server.manifests import Manifest
from wandb_server.projects import PROJECT_NAME, Entity, Project, User
from wandb_server.runs import Run


class State:
    """The server's memory. Whoever reads or writes it holds `lock`."""

    def __init__(self, store: BlobStore, username: str) -> None:
        self.lock = threading.RLock()
        self.store = store
        self.viewer = User(username)
        self.entity = Entity(username)
        self.projects: dict[str, Project] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.artifacts_by_client_id: dict[str, Artifact] = {}
        self.manifests: dict[str, Manifest] = {}
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """The next number, for an id."""
        return next(self._numbers)

    def now(self) -> str:
        """The time, as W&B writes it."""
        return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def project(self, entity: str | None, name: str | None) -> Project | None:
        """The project; None where there is none, or none that the key may see."""
        if (entity or self.entity.name) != self.entity.name:
            return None
        return self.projects.get(name or "uncategorized")

    def project_for_writing(self, entity: str | None, name: str | None) -> Project:
        """The project, made when it is new. Raises Refusal for a stranger's entity."""
        name = name or "uncategorized"
        if (entity or self.entity.name) != self.entity.name:
            raise Refusal(f"permission denied: entity {entity}", status=403)
        if not PROJECT_NAME.fullmatch(name):
            raise Refusal(f"invalid project name: {name}")
        if name not in self.projects:
            self.projects[name] = Project(self.entity, name, self.viewer, self.number(), self.now())
        return self.projects[name]

    def run(self, entity: str | None, project: str | None, name: str | None) -> Run:
        """The run. Raises Refusal (404) where there is none."""
        found = self.project(entity, project)
        run = found.run(name or "") if found else None
        if run is None:
            raise Refusal(f"run {entity}/{project}/{name} not found", status=404)
        return run

    def run_by_id(self, id: str) -> Run:
        """The run of that GraphQL id. Raises Refusal (404) where there is none."""
        for project in self.projects.values():
            for run in project.runs_by_name.values():
                if run.id == id:
                    return run
        raise Refusal(f"run {id} not found", status=404)

    def artifact(self, id: str) -> Artifact:
        """The artifact of that GraphQL id. Raises Refusal (404) where there is none."""
        if id not in self.artifacts:
            raise Refusal(f"artifact {id} not found", status=404)
        return self.artifacts[id]
