"""Entities, users and projects as the server keeps them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from wandb_server.artifacts import Artifact, ArtifactType, Membership, Sequence
from wandb_server.blobs import Blob
from wandb_server.errors import Violation
from wandb_server.filters import matches
from wandb_server.paging import Connection, opaque, page
from wandb_server.runs import Run
from wandb_server.sweeps import Sweep

_ORDERS = {"+created_at": False, "-created_at": True}


@dataclass(frozen=True)
class Entity:
    """A team or user that holds projects."""

    name: str

    xxhash_digests_enabled = False
    organization = None  # a personal account's entity has none

    @property
    def id(self) -> str:
        return opaque(f"Entity:{self.name}")


@dataclass(frozen=True)
class User:
    """The key's holder; the entity of the same name is the default one."""

    username: str

    admin, flags, deleted_at = False, "{}", None

    @property
    def id(self) -> str:
        return opaque(f"User:{self.username}")

    @property
    def name(self) -> str:
        return self.username

    @property
    def entity(self) -> str:
        return self.username

    @property
    def email(self) -> str:
        return f"{self.username}@example.org"

    @property
    def api_keys(self) -> Connection:
        return page([])

    @property
    def teams(self) -> Connection:
        return page([Entity(self.entity)])


@dataclass
class Project:
    """A project: runs by name, artifact sequences by name."""

    entity: Entity
    name: str
    owner: User
    number: int
    created_at: str
    runs_by_name: dict[str, Run] = field(default_factory=dict)
    types: dict[str, ArtifactType] = field(default_factory=dict)
    sequences: dict[str, Sequence] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    blobs: dict[str, tuple[Artifact, Blob]] = field(default_factory=dict)  # by MD5, with the first

    read_only = is_benchmark = False

    @property
    def id(self) -> str:
        return opaque(f"Project:v1:{self.name}:{self.entity.name}")

    @property
    def internal_id(self) -> str:
        return opaque(f"ProjectInternalId:{self.number}")

    @property
    def entity_name(self) -> str:
        return self.entity.name

    @property
    def user(self) -> User:
        return self.owner

    # ---- runs ----

    def run(self, name: str) -> Run | None:
        """The run of that id."""
        return self.runs_by_name.get(name)

    def bucket(self, name: str, missing_ok: bool | None = None) -> Run | None:
        """The run of that id, by its older name."""
        assert missing_ok, "the client always says missingOk"
        return self.run(name)

    def run_count(self, filters: str | None = None) -> int:
        """How many runs the filter takes."""
        return len(self._filtered(filters))

    def runs(
        self,
        filters: str | None = None,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
    ) -> Connection:
        """The runs that the filter takes, by time of creation."""
        if order not in _ORDERS:
            raise Violation(f"runs: order {order!r} is not known")
        runs = sorted(self._filtered(filters), key=lambda run: run.number, reverse=_ORDERS[order])
        return page(runs, first, after)

    def _filtered(self, filters: str | None) -> list[Run]:
        wanted = json.loads(filters or "{}")
        return [run for run in self.runs_by_name.values() if matches(run, wanted)]

    # ---- artifacts ----

    def artifact_collection(self, name: str) -> Sequence | None:
        """The sequence of that name, once it has a version."""
        sequence = self.sequences.get(name)
        return sequence if sequence and sequence.versions else None

    def artifact_collection_membership(self, name: str) -> Membership | None:
        """`collection:alias` or `collection:vK`."""
        collection, _, alias = name.partition(":")
        sequence = self.artifact_collection(collection)
        return sequence.artifact_membership(alias or "latest") if sequence else None

    def artifact(self, name: str) -> Artifact | None:
        """`collection:alias` or `collection:vK`."""
        membership = self.artifact_collection_membership(name)
        return membership.artifact if membership else None

    def artifact_type(self, name: str) -> ArtifactType | None:
        """The type of that name."""
        return self.types.get(name)

    def artifact_types(self, after: str | None = None, first: int | None = None) -> Connection:
        """All types that have an artifact."""
        return page(list(self.types.values()), first, after)


PROJECT_NAME = re.compile(r"[^/\\#?%:]{1,128}")
"""What W&B takes as a project's name, by the client's own check."""
