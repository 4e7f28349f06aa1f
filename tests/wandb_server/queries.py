"""GraphQL's queries; a field of the type Query is a method here."""

from __future__ import annotations

from wandb_server.artifacts import Artifact, Sequence
from wandb_server.paging import Connection, page
from wandb_server.projects import Entity, Project, User
from wandb_server.state import State

FEATURES = (
    "LARGE_FILENAMES",
    "CLIENT_IDS",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "MARK_RUN_FILES_UPLOADED",
    "FILESTREAM_GZIP",
    "ARTIFACT_DIGEST_ALGORITHM",
)
"""What a present server says it can do, as far as raysweep's paths ask."""


class Query:
    """The root of queries."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def viewer(self) -> User:
        return self._state.viewer

    @property
    def server_info(self) -> dict[str, object]:
        return {"features": [{"name": name, "is_enabled": True} for name in FEATURES]}

    def entity(self, name: str | None = None) -> Entity | None:
        """The entity, if it is the key's own."""
        return self._state.entity if name in (None, self._state.entity.name) else None

    def project(self, name: str | None = None, entity_name: str | None = None) -> Project | None:
        """The project."""
        return self._state.project(entity_name, name)

    def model(self, name: str | None = None, entity_name: str | None = None) -> Project | None:
        """The project, by its older name."""
        return self._state.project(entity_name, name)

    def models(
        self, entity_name: str | None = None, after: str | None = None, first: int | None = None
    ) -> Connection:
        """The projects of an entity."""
        mine = entity_name in (None, self._state.entity.name)
        return page(list(self._state.projects.values()) if mine else [], first, after)

    def artifact_collection(self, id: str) -> Sequence | None:
        """The sequence of that id."""
        projects = self._state.projects.values()
        found = (s for project in projects for s in project.sequences.values() if s.id == id)
        return next(found, None)

    def artifact(self, id: str) -> Artifact | None:
        """The artifact of that id."""
        return self._state.artifacts.get(id)

    def client_id_mapping(self, client_id: str) -> dict[str, str] | None:
        """The server's id of an artifact, by the id that the client made for it."""
        artifact = self._state.artifacts_by_client_id.get(client_id)
        return {"server_id": artifact.id} if artifact else None
