"""W&B with the embedded store: every call is stored locally first, then sent to W&B.

If the server is lost during a sweep, training continues, and `sync` (see `publish`) sends the rest.
A reference has W&B's version if W&B has the artifact, `trained-model:v12`; otherwise a local one,
`trained-model:local-3`, which cannot be confused with a version in W&B. The local version carries
W&B's number as its alias `wandb-v12`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from raysweep.tracking.mirror.backends import Backends
from raysweep.tracking.mirror.connection import Unsent
from raysweep.tracking.mirror.names import HERE, is_pending
from raysweep.tracking.mirror.run import MirroredRun
from raysweep.tracking.port import (
    ArtifactVersion,
    Image,
    Json,
    Lineage,
    Run,
    RunRecord,
    RunSpec,
    StaleState,
    Tracker,
)
from raysweep.tracking.store import Store


class MirroredTracker(Backends):
    """The project in both. Reads use the local store, except for what only W&B knows."""

    backend = "wandb"

    @property
    def url(self) -> str | None:
        """See Tracker."""
        return self.ask(lambda: self.there.url)

    @property
    def store(self) -> Store:
        """Return the embedded store."""
        return self.here.store

    def start_run(self, spec: RunSpec, after: int | None = None) -> Run:
        """See Tracker. Rows that an earlier process could not send are sent to W&B."""
        local = self.here.start_run(spec, after)
        remote = self.ask(lambda: self.there.start_run(spec, after))
        run = MirroredRun(self, local, remote)
        if after is not None:
            run.send(self.here.history(spec.id))
        return run

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Tracker. If only W&B has it, it is copied here with its ancestors."""
        try:
            remote = self.send(lambda: self.there.find_artifact(name, fingerprint))
            if remote is None:
                return None
            self.send(partial(self.bring, remote))
            return self.numbering.presented_as(remote)
        except Unsent:
            local = self.here.find_artifact(name, fingerprint)
            return self.numbering.presented(local) if local else None

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """See Tracker. Uses the local copy if there is one with its bytes."""
        local = self.numbering.kept(ref) or self.numbering.kept(self.artifact(ref).ref)
        if local is None:
            return self.there.download(ref, folder)
        version = self.numbering.presented(local)
        if local.dropped is not None and not is_pending(version):  # W&B keeps its own
            return self.there.download(version.ref, folder)
        return self.numbering.presented(self.here.download(local.ref, folder))

    def set_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        self._in_both(ref, lambda tracker, version: tracker.set_alias(version, alias))

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        self._in_both(ref, lambda tracker, version: tracker.remove_alias(version, alias))

    def run(self, run_id: str) -> RunRecord:
        """See Tracker."""
        return self.numbering.presented_run(self.here.run(run_id))

    def runs(self, group: str | None = None) -> list[RunRecord]:
        """See Tracker."""
        return [self.numbering.presented_run(record) for record in self.here.runs(group)]

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """See Tracker."""
        return self.here.history(run_id)

    def images(self, run_id: str, key: str) -> list[Image]:
        """See Tracker."""
        return self.here.images(run_id, key)

    def table(self, run_id: str, key: str) -> tuple[list[str], list[list[Json]]]:
        """See Tracker."""
        return self.here.table(run_id, key)

    def lineage(self, ref: str) -> Lineage:
        """See Tracker."""
        local = self.numbering.kept(self.artifact(ref).ref)
        if local is None:
            return self.there.lineage(ref)
        found = self.here.lineage(local.ref)
        nodes = {node.id: self.numbering.presented_node(node) for node in found.nodes}
        return Lineage(
            focus=nodes[found.focus].id,
            nodes=tuple(nodes.values()),
            edges=tuple((nodes[start].id, nodes[end].id) for start, end in found.edges),
        )

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """See Tracker. Only this storage's runs: in W&B another group may have the same name."""
        stale = self.here.close_stale(group, state)
        for run_id in stale:
            url = self.ask(partial(self._close_there, run_id, state))
            self.here.store.set_url(run_id, url)
        return stale

    def close(self) -> None:
        """See Tracker."""
        self.connection.close()
        self.there.close()
        self.here.close()

    def _in_both(self, ref: str, change: Callable[[Tracker, str], None]) -> None:
        """Apply a change to the version here, in W&B, or in both, wherever it exists."""
        version = self.artifact(ref)
        local = self.numbering.kept(version.ref)
        if local is not None:
            change(self.here, local.ref)
        if is_pending(version):
            return
        try:
            self.send(lambda: change(self.there, version.ref))
        except Unsent:
            refused = self.connection.lost is None  # else the caller's run is not sent either
            if refused and local is not None and local.producer is not None:
                for run in self.here.store.runs(run_id=local.producer):
                    self.here.store.set_url(run.id, None)  # marks the run as not completely sent

    def _close_there(self, run_id: str, state: StaleState) -> str | None:
        """Close the dead run in W&B; return its URL if W&B has all rows that are stored here."""
        url = self.there.close_run(run_id, state)
        record = self.run(run_id)
        pending = any(f":{HERE}" in ref for ref in (*record.used, *record.logged))
        if url is None or pending or not self.is_there(run_id):
            return None
        return url
