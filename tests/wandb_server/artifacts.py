"""Artifact types, sequences, versions, aliases and manifests as the server keeps them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wandb_server.blobs import Blob, BlobStore
from wandb_server.paging import Connection, opaque, page
from wandb_server.runs import Run, RunFile

if TYPE_CHECKING:
    from wandb_server.manifests import Manifest
    from wandb_server.projects import Project

_VERSION = re.compile(r"v(\d+)")


@dataclass
class ArtifactType:
    """A type, such as `dataset`."""

    project: Project
    name: str
    created_at: str

    description = None

    @property
    def id(self) -> str:
        return opaque(f"ArtifactType:{self.project.internal_id}:{self.name}")

    def artifact_collection(self, name: str) -> Sequence | None:
        """The sequence of that name, if it is of this type."""
        sequence = self.project.artifact_collection(name)
        return sequence if sequence and sequence.type is self else None

    def artifact_collections(
        self,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
        filters: str | None = None,
    ) -> Connection:
        """All sequences of this type."""
        assert (order, filters) == (None, None), f"{order}, {filters} are not known"
        mine = [s for s in self.project.sequences.values() if s.type is self and s.versions]
        return page(mine, first, after)


@dataclass
class Sequence:
    """All versions of one name. `holders` maps each alias to the one version that holds it."""

    project: Project
    name: str
    type: ArtifactType
    versions: list[Artifact] = field(default_factory=list)
    holders: dict[str, Artifact] = field(default_factory=dict)

    graphql_type, digest_algorithm = "ArtifactSequence", "MANIFEST_MD5"
    description = updated_at = None

    @property
    def id(self) -> str:
        return opaque(f"ArtifactSequence:{self.project.internal_id}:{self.name}")

    @property
    def created_at(self) -> str:
        return self.versions[0].created_at

    @property
    def default_artifact_type(self) -> ArtifactType:
        return self.type

    @property
    def tags(self) -> Connection:
        return page([])

    def aliases(self, after: str | None = None, first: int | None = None) -> Connection:
        """All aliases of all versions."""
        return page([Alias(self, name) for name in self.holders], first, after)

    @property
    def latest_artifact(self) -> Artifact | None:
        return self.holders.get("latest")

    def artifact_membership(self, alias_name: str) -> Membership | None:
        """The version `vK`, or the one that holds the alias."""
        found = self.holders.get(alias_name)
        if (match := _VERSION.fullmatch(alias_name)) and int(match[1]) < len(self.versions):
            found = self.versions[int(match[1])]
        return Membership(self, found) if found else None

    def artifacts(
        self,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
        filters: str | None = None,
    ) -> Connection:
        """The versions, the newest first."""
        assert order is None, f"order {order} is not known"
        assert json.loads(filters or "") == {"state": "COMMITTED"}, f"{filters} is not known"
        newest_first = self.versions[::-1]
        return page(newest_first, first, after, lambda a: {"version": f"v{a.version_index}"})

    def add(self, artifact: Artifact) -> None:
        """Give a committed version the next number, its aliases and `latest`."""
        artifact.version_index = len(self.versions)
        artifact.state = "COMMITTED"
        self.versions.append(artifact)
        for alias in {*artifact.wanted_aliases, "latest"}:
            self.holders[alias] = artifact

    def committed(self, digest: str) -> Artifact | None:
        """The version of that content."""
        return next((a for a in self.versions if a.digest == digest), None)


@dataclass
class Artifact:
    """A version, or what will be one when it is committed."""

    sequence: Sequence
    number: int
    digest: str
    created_by: Run
    created_at: str
    store: BlobStore
    description: str | None = None
    metadata: str | None = None
    history_step: int | None = None
    wanted_aliases: tuple[str, ...] = ()
    state: str = "PENDING"
    version_index: int | None = None
    updated_at: str | None = None
    consumers: list[Run] = field(default_factory=list)
    stored: dict[str, Blob] = field(default_factory=dict)  # by MD5
    current_manifest: Manifest | None = None

    ttl_duration_seconds, ttl_is_inherited = -1, True  # -1: for ever
    digest_algorithm = "MANIFEST_MD5"

    @property
    def id(self) -> str:
        return opaque(f"Artifact:{self.number}")

    @property
    def artifact_sequence(self) -> Sequence:
        return self.sequence

    @property
    def artifact_type(self) -> ArtifactType:
        return self.sequence.type

    @property
    def tags(self) -> list[str]:
        return []

    @property
    def commit_hash(self) -> str:
        return f"{self.number:020x}"

    @property
    def aliases(self) -> list[Alias]:
        names = [name for name, held in self.sequence.holders.items() if held is self]
        return [Alias(self.sequence, name) for name in names]

    @property
    def used_by(self) -> Connection:
        return page(self.consumers)

    @property
    def files(self) -> list[RunFile]:
        """The files of the manifest, by name; a reference has no bytes."""
        if self.current_manifest is None:
            return []
        return [
            RunFile(
                id=opaque(f"File:{self.number}:{path}"),
                name=path,
                blob=self.stored[entry["digest"]],
                store=self.store,
                updated_at=self.created_at,
            )
            for path, entry in sorted(self.current_manifest.entries.items())
            if "ref" not in entry
        ]

    @property
    def file_count(self) -> int:
        return len(self.files)

    @property
    def size(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class Alias:
    """An alias of a version."""

    sequence: Sequence
    alias: str

    @property
    def id(self) -> str:
        return opaque(f"ArtifactAlias:{self.sequence.id}:{self.alias}")

    @property
    def artifact_collection(self) -> Sequence:
        return self.sequence


@dataclass(frozen=True)
class Membership:
    """A version as a member of its sequence; there are no other collections here."""

    sequence: Sequence
    artifact: Artifact

    @property
    def id(self) -> str:
        return opaque(f"ArtifactCollectionMembership:{self.artifact.number}")

    @property
    def version_index(self) -> int | None:
        return self.artifact.version_index

    @property
    def created_at(self) -> str:
        return self.artifact.created_at

    @property
    def aliases(self) -> list[Alias]:
        return self.artifact.aliases

    @property
    def artifact_collection(self) -> Sequence:
        return self.sequence

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> Connection:
        """The version's files."""
        return page([f for f in self.artifact.files if not names or f.name in names], first, after)
