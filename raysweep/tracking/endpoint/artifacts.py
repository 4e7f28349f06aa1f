"""Artifact types, collections, versions and aliases as the client asks for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from raysweep.errors import ArtifactNotFound
from raysweep.tracking.endpoint import manifests
from raysweep.tracking.endpoint.files import FileView
from raysweep.tracking.endpoint.paging import Connection, opaque, page, parts_of
from raysweep.tracking.endpoint.place import Place
from raysweep.tracking.names import THERE
from raysweep.tracking.port import ArtifactVersion

SOMETIME = "1970-01-01T00:00:00Z"
"""The time of creation where the store keeps none."""


@dataclass(frozen=True)
class TypeView:
    """An artifact type, such as `dataset`."""

    place: Place
    name: str

    graphql_type = "ArtifactType"
    description = None
    created_at = SOMETIME

    @property
    def id(self) -> str:
        return opaque("type", self.place.name, self.name)

    def artifact_collection(self, name: str) -> CollectionView | None:
        """Return the collection of that name, if it is of this type."""
        found = find_collection(self.place, name)
        return found if found and found.type_name == self.name else None

    def artifact_collections(
        self,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
        filters: str | None = None,
    ) -> Connection:
        """Return the collections of this type, in the store's order."""
        return page(collections(self.place, self.name), first, after)


@dataclass(frozen=True)
class CollectionView:
    """All versions of one name."""

    place: Place
    name: str
    type_name: str

    graphql_type = "ArtifactSequence"
    graphql_interfaces = ("ArtifactCollection",)
    description = updated_at = None
    digest_algorithm = "MANIFEST_MD5"
    created_at = SOMETIME
    state = "READY"

    @property
    def id(self) -> str:
        return opaque("collection", self.place.name, self.name)

    @property
    def project(self) -> Any:
        return self.place.project

    @property
    def type(self) -> TypeView:
        return TypeView(self.place, self.type_name)

    @property
    def default_artifact_type(self) -> TypeView:
        return self.type

    @property
    def tags(self) -> Connection:
        return page([])

    @property
    def latest_artifact(self) -> VersionView | None:
        return find(self.place, f"{self.name}:latest")

    def aliases(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return the aliases of all versions."""
        return page(
            [alias for version in self._versions() for alias in version.aliases], first, after
        )

    def artifact_membership(self, alias_name: str) -> MembershipView | None:
        """Return the version `vK`, or the one that has the alias."""
        found = find(self.place, f"{self.name}:{alias_name}")
        return MembershipView(found) if found else None

    def artifacts(
        self,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
        filters: str | None = None,
    ) -> Connection:
        """Return the versions, the newest first."""
        newest_first = self._versions()[::-1]
        return page(newest_first, first, after, lambda a: {"version": f"v{a.version_index}"})

    def _versions(self) -> list[VersionView]:
        found = self.place.store.versions(self.name)
        return [VersionView(self.place, version) for version in found]


@dataclass(frozen=True)
class AliasView:
    """An alias of a version."""

    artifact_collection: CollectionView
    alias: str

    graphql_type = "ArtifactAlias"

    @property
    def id(self) -> str:
        return opaque("alias", self.artifact_collection.name, self.alias)


@dataclass(frozen=True)
class VersionView:
    """A version of an artifact, which the store has."""

    place: Place
    version: ArtifactVersion

    graphql_type = "Artifact"
    state = "COMMITTED"
    digest_algorithm = "MANIFEST_MD5"
    ttl_duration_seconds, ttl_is_inherited = -2, True  # -2: none, as the client's code has it
    updated_at = history_step = None
    created_at = SOMETIME

    @property
    def id(self) -> str:
        return opaque("artifact", self.place.name, self.version.ref)

    @property
    def artifact_sequence(self) -> CollectionView:
        return CollectionView(self.place, self.version.name, self.version.type)

    @property
    def artifact_type(self) -> TypeView:
        return TypeView(self.place, self.version.type)

    @property
    def version_index(self) -> int:
        return int(self.version.version[1:])

    @property
    def description(self) -> str:
        return self.version.description

    @property
    def metadata(self) -> str:
        return json.dumps(manifests.users_own(self.version.metadata))

    @property
    def tags(self) -> list[Any]:
        return []

    @property
    def size(self) -> int:
        return sum(file.size_bytes for file in manifests.users_files(self.version))

    @property
    def digest(self) -> str:
        known = manifests.notes(self.version).get("digest")
        return known if known else manifests.digest_of(self.current_manifest.entries)

    @property
    def commit_hash(self) -> str:
        return self.version.digest

    @property
    def file_count(self) -> int:
        return len(manifests.users_files(self.version))

    @property
    def aliases(self) -> list[AliasView]:
        own = [alias for alias in self.version.aliases if not alias.startswith(THERE)]
        return [AliasView(self.artifact_sequence, alias) for alias in own]

    @property
    def artifact_memberships(self) -> Connection:
        return page([MembershipView(self)])

    @property
    def created_by(self) -> Any:
        producer = self.version.producer
        return self.place.run_of(producer) if producer else None

    @property
    def used_by(self) -> Connection:
        focus = f"artifact:{self.version.ref}"
        edges = self.place.store.lineage(self.version.ref).edges
        ids = [to.removeprefix("run:") for source, to in edges if source == focus]
        return page([run for id in ids if (run := self.place.run_of(id))])

    @property
    def current_manifest(self) -> manifests.ManifestView:
        return manifests.ManifestView(self.place, self.version)

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> Connection:
        """Return the version's files."""
        entries = self.current_manifest.entries
        found = [
            FileView(self.place, file, entries[file.path]["digest"])
            for file in manifests.users_files(self.version)
            if not names or file.path in names
        ]
        return page(found, first, after)


@dataclass(frozen=True)
class MembershipView:
    """A version as a member of its collection; there are no other collections here."""

    artifact: VersionView

    graphql_type = "ArtifactCollectionMembership"
    created_at = SOMETIME

    @property
    def id(self) -> str:
        return opaque("membership", self.artifact.version.ref)

    @property
    def version_index(self) -> int:
        return self.artifact.version_index

    @property
    def aliases(self) -> list[AliasView]:
        return self.artifact.aliases

    @property
    def artifact_collection(self) -> CollectionView:
        return self.artifact.artifact_sequence

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> Connection:
        """Return the version's files."""
        return self.artifact.files(names, after, first)


def find(place: Place, ref: str) -> VersionView | None:
    """Return the version that `name:vK` or `name:alias` means, if there is one."""
    try:
        return VersionView(place, place.store.artifact(ref))
    except ArtifactNotFound:
        return None


def find_by_id(place: Place, id: str) -> VersionView | None:
    """Return the version that the id of this project's artifact means."""
    parts = parts_of(id)
    return find(place, parts[2]) if len(parts) == 3 and parts[0] == "artifact" else None


def collections(place: Place, type_name: str | None = None) -> list[CollectionView]:
    """Return the collections, of one type or all."""
    types = {version.name: version.type for version in place.store.versions()}
    return [
        CollectionView(place, name, of) for name, of in types.items() if type_name in (None, of)
    ]


def find_collection(place: Place, name: str) -> CollectionView | None:
    """Return the collection of that name."""
    newest = find(place, f"{name}:latest")
    if newest is not None:
        return newest.artifact_sequence
    versions = place.store.versions(name)
    return CollectionView(place, name, versions[0].type) if versions else None
