"""How a version in the embedded store is numbered: as in W&B, where W&B has it. See `tracker`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from raysweep.errors import ArtifactNotFound
from raysweep.tracking import lineage
from raysweep.tracking.mirror.names import HERE, alias_of, is_version, version_there
from raysweep.tracking.names import THERE, parse_reference
from raysweep.tracking.port import ArtifactVersion, LineageNode, RunRecord
from raysweep.tracking.programs import users_own
from raysweep.tracking.trackio.tracker import TrackioTracker


class Numbering:
    """The versions in the embedded store `here`, as a W&B project numbers them. Asks W&B nothing.

    `scope` tells the W&B project from those of its name elsewhere.
    """

    def __init__(self, here: TrackioTracker, scope: str) -> None:
        self._here = here
        self._scope = scope

    def kept(self, ref: str) -> ArtifactVersion | None:
        """Return the local version of a W&B reference; None for an alias or if it is not here."""
        reference = parse_reference(ref)
        if reference.spec.startswith(HERE):
            return self._here.artifact(f"{reference.name}:v{reference.spec.removeprefix(HERE)}")
        if not is_version(reference.spec):
            return None
        with suppress(ArtifactNotFound):
            return self._here.artifact(f"{reference.name}:{alias_of(self._scope, reference.spec)}")
        return None

    def presented(self, local: ArtifactVersion) -> ArtifactVersion:
        """Return a local version under W&B's number, or as one that W&B does not have."""
        remote = version_there(local, self._scope)
        aliases = tuple(alias for alias in local.aliases if not alias.startswith(THERE))
        version = remote or HERE + local.version.removeprefix("v")
        return replace(local, version=version, aliases=aliases)

    def presented_as(self, remote: ArtifactVersion) -> ArtifactVersion:
        """Return the local copy of W&B's version, if any, with W&B's aliases, which may have
        moved."""
        local = self.copy(remote)
        return replace(self.presented(local), aliases=remote.aliases) if local else remote

    def copy(self, remote: ArtifactVersion) -> ArtifactVersion | None:
        """Find the local version by its content; the alias may be from another W&B project."""
        local = self.kept(remote.ref)
        same = local is not None and users_own(local.metadata) == users_own(remote.metadata)
        return local if same else None

    def note(self, local: ArtifactVersion, version: str) -> None:
        """Record its version in W&B, and remove earlier ones: the project may be a new one."""
        for alias in local.aliases:
            if alias.startswith(alias_of(self._scope, "")):
                self._here.remove_alias(local.ref, alias)
        self._here.set_alias(local.ref, alias_of(self._scope, version))

    def presented_run(self, record: RunRecord) -> RunRecord:
        """A run here, with its versions as `presented` has them."""
        used, logged = (
            tuple(self._presented_ref(ref) for ref in refs) for refs in (record.used, record.logged)
        )
        return replace(record, used=used, logged=logged)

    def presented_node(self, node: LineageNode) -> LineageNode:
        """A node of the lineage here, with its version as `presented` has it."""
        if node.kind == "run":
            return node
        version = self.presented(self._here.artifact(f"{node.name}:{node.version}"))
        return replace(
            node,
            id=lineage.artifact_node_id(version.ref),
            version=version.version,
            aliases=version.aliases,
        )

    def _presented_ref(self, ref: str) -> str:
        return self.presented(self._here.artifact(ref)).ref
