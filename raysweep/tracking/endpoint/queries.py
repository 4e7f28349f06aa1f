"""What a client asks for; a field of GraphQL's type Query is a method here."""

from __future__ import annotations

from raysweep.tracking.endpoint.artifacts import CollectionView, VersionView
from raysweep.tracking.endpoint.drafts import Draft
from raysweep.tracking.endpoint.paging import Connection, page, parts_of
from raysweep.tracking.endpoint.project import ENTITY, EntityView, Project, UserView
from raysweep.tracking.endpoint.state import State

FEATURES = (
    "LARGE_FILENAMES",
    "CLIENT_IDS",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "FILESTREAM_GZIP",
    "ARTIFACT_DIGEST_ALGORITHM",
)
"""What the endpoint says it can do, of what the client asks a server for."""


class Query:
    """The root of queries."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def viewer(self) -> UserView:
        return UserView()

    @property
    def server_info(self) -> dict[str, object]:
        return {
            "features": [{"name": name, "is_enabled": True} for name in FEATURES],
            "cli_version_info": None,
            "latest_local_version_info": None,
        }

    def entity(self, name: str | None = None) -> EntityView:
        """Return the one entity."""
        return EntityView(name or ENTITY)

    def project(self, name: str | None = None, entity_name: str | None = None) -> Project:
        """Return the project."""
        return self._state.project(name)

    def model(self, name: str | None = None, entity_name: str | None = None) -> Project:
        """Return the project, by its older name."""
        return self._state.project(name)

    def models(
        self, entity_name: str | None = None, after: str | None = None, first: int | None = None
    ) -> Connection:
        """Return the projects that were named so far."""
        return page(list(self._state.projects.values()), first, after)

    def artifact_collection(self, id: str) -> CollectionView | None:
        """Return the collection of that id."""
        parts = parts_of(id)
        known = len(parts) == 3 and parts[0] == "collection"
        return self._state.project(parts[1]).artifact_collection(parts[2]) if known else None

    def artifact(self, id: str) -> VersionView | Draft | None:
        """Return the version of that id."""
        return self._state.version(id) or self._state.drafts.get(id)

    def client_id_mapping(self, client_id: str) -> dict[str, str] | None:
        """Return the id of an artifact, by the one that its client made for it."""
        draft = self._state.drafts_by_client_id.get(client_id)
        return {"server_id": draft.id} if draft else None
