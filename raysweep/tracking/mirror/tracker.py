"""W&B with the embedded store beside it: every call is kept here first, and then sent there.

So a server that goes away in mid-sweep costs nothing but the sending: training goes on, and `sync`
(see `publish`) sends the rest. What is named by a reference has W&B's version where W&B has it,
`trained-model:v12`, and else one of its own, `trained-model:local-3`, which no version of W&B can
be taken for. The version here carries W&B's number as its alias `wandb-v12`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, TrackingError
from raysweep.tracking import lineage
from raysweep.tracking.mirror.bring import Bringing
from raysweep.tracking.mirror.connection import Connection, Unsent
from raysweep.tracking.mirror.names import (
    HERE,
    THERE,
    alias_of,
    is_pending,
    is_version,
    version_there,
)
from raysweep.tracking.mirror.run import MirroredRun
from raysweep.tracking.names import parse_reference
from raysweep.tracking.port import (
    ArtifactVersion,
    Image,
    Json,
    Lineage,
    LineageNode,
    Run,
    RunRecord,
    RunSpec,
    StaleState,
    Tracker,
)
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker

T = TypeVar("T")


class MirroredTracker:
    """The project in both. Reads come from here, but for what only W&B can know."""

    backend = "wandb"

    def __init__(
        self, here: TrackioTracker, there: WandbTracker, connection: Connection | None = None
    ) -> None:
        self.here = here
        self.there = there
        self.project = there.project
        self.connection = connection or Connection()
        self.scope = there.scope

    def begin_unreachable(self, why: str) -> None:
        """Take W&B for unreachable, here and in every process that is given this tracker, until it
        is found."""
        self.connection = Connection(why)

    @property
    def url(self) -> str | None:
        """See Tracker."""
        return self.ask(lambda: self.there.url)

    def ask(self, call: Callable[[], T]) -> T | None:
        """What W&B answers, or None where it cannot be reached or refuses."""
        with suppress(Unsent):
            return self.send(call)
        return None

    def send(self, call: Callable[[], T], *, asks: bool = True) -> T:
        """What W&B answers. Raises Unsent where it cannot be reached or refuses."""
        return self.connection.attempt(call, self.there.knock, self.there.probe, asks=asks)

    def start_run(self, spec: RunSpec, after: int | None = None) -> Run:
        """See Tracker. W&B is sent what an earlier process logged and could not send."""
        mine = self.here.start_run(spec, after)
        theirs = self.ask(lambda: self.there.start_run(spec, after))
        run = MirroredRun(self, mine, theirs)
        if after is not None:
            run.send(self.here.history(spec.id))
        return run

    def artifact(self, ref: str) -> ArtifactVersion:
        """See Tracker. W&B is asked for what is not here, and for whatever an alias means there.

        An alias that was last given to a version that W&B does not have yet means that one.
        """
        mine = self.kept(ref)
        if mine is not None:
            return self.presented(mine)
        if is_version(parse_reference(ref).spec):  # the same number here is another version
            try:
                return self._presented_as(self.send(lambda: self.there.artifact(ref)))
            except Unsent as error:
                raise TrackingError(f"artifact {ref!r}: only W&B has it; {error}") from error
        return self._of_alias(ref)

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Tracker. One that W&B alone has is brought here, with all that it came from."""
        try:
            theirs = self.send(lambda: self.there.find_artifact(name, fingerprint))
            if theirs is None:
                return None
            self.send(partial(self.bring, theirs))
            return self._presented_as(theirs)
        except Unsent:
            mine = self.here.find_artifact(name, fingerprint)
            return self.presented(mine) if mine else None

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """See Tracker. From here, wherever it is here."""
        mine = self.kept(ref) or self.kept(self.artifact(ref).ref)
        if mine is None:
            return self.there.download(ref, folder)
        return self.presented(self.here.download(mine.ref, folder))

    def set_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        self._in_both(ref, lambda tracker, version: tracker.set_alias(version, alias))

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Tracker."""
        self._in_both(ref, lambda tracker, version: tracker.remove_alias(version, alias))

    def run(self, run_id: str) -> RunRecord:
        """See Tracker."""
        return self._presented_run(self.here.run(run_id))

    def runs(self, group: str | None = None) -> list[RunRecord]:
        """See Tracker."""
        return [self._presented_run(record) for record in self.here.runs(group)]

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
        mine = self.kept(self.artifact(ref).ref)
        if mine is None:
            return self.there.lineage(ref)
        found = self.here.lineage(mine.ref)
        nodes = {node.id: self._presented_node(node) for node in found.nodes}
        return Lineage(
            focus=nodes[found.focus].id,
            nodes=tuple(nodes.values()),
            edges=tuple((nodes[start].id, nodes[end].id) for start, end in found.edges),
        )

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """See Tracker. Only this storage's own runs: another's group in W&B may have the name."""
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

    def kept(self, ref: str) -> ArtifactVersion | None:
        """The version here that the reference means there; None for an alias, or one not here."""
        reference = parse_reference(ref)
        if reference.spec.startswith(HERE):
            return self.here.artifact(f"{reference.name}:v{reference.spec.removeprefix(HERE)}")
        if not is_version(reference.spec):
            return None
        with suppress(ArtifactNotFound):
            return self.here.artifact(f"{reference.name}:{alias_of(self.scope, reference.spec)}")
        return None

    def presented(self, mine: ArtifactVersion) -> ArtifactVersion:
        """A version here under the number that W&B gave it, or as one that it does not have."""
        theirs = version_there(mine, self.scope)
        aliases = tuple(alias for alias in mine.aliases if not alias.startswith(THERE))
        version = theirs or HERE + mine.version.removeprefix("v")
        return replace(mine, version=version, aliases=aliases)

    def note(self, mine: ArtifactVersion, version: str) -> None:
        """Remember which version of W&B's it is, and no other: the project may be a new one."""
        for alias in mine.aliases:
            if alias.startswith(alias_of(self.scope, "")):
                self.here.remove_alias(mine.ref, alias)
        self.here.set_alias(mine.ref, alias_of(self.scope, version))

    def _in_both(self, ref: str, change: Callable[[Tracker, str], None]) -> None:
        """Change the version where it is: here, there, or in both."""
        version = self.artifact(ref)
        mine = self.kept(version.ref)
        if mine is not None:
            change(self.here, mine.ref)
        if is_pending(version):
            return
        try:
            self.send(lambda: change(self.there, version.ref))
        except Unsent:
            refused = self.connection.lost is None  # else the caller's own run is not sent either
            if refused and mine is not None and mine.producer is not None:
                for run in self.here.store.runs(run_id=mine.producer):
                    self.here.store.set_url(run.id, None)  # so that it is named as not sent whole

    def _of_alias(self, ref: str) -> ArtifactVersion:
        mine: ArtifactVersion | None = None
        with suppress(ArtifactNotFound):
            mine = self.presented(self.here.artifact(ref))
        if mine is not None and is_pending(mine):
            return mine
        try:
            theirs = self.ask(lambda: self.there.artifact(ref))
        except ArtifactNotFound:
            if mine is None:
                raise
            return mine
        if theirs is not None:
            return self._presented_as(theirs)
        return mine or self.presented(self.here.artifact(ref))

    def _presented_as(self, theirs: ArtifactVersion) -> ArtifactVersion:
        """W&B's version as it is here, where it is; its aliases, which others may have moved."""
        mine = self.copy(theirs)
        return replace(self.presented(mine), aliases=theirs.aliases) if mine else theirs

    def copy(self, theirs: ArtifactVersion) -> ArtifactVersion | None:
        """The version here that it is; an alias alone may be left of another W&B project."""
        mine = self.kept(theirs.ref)
        return mine if mine is not None and mine.metadata == theirs.metadata else None

    def _presented_ref(self, ref: str) -> str:
        return self.presented(self.here.artifact(ref)).ref

    def _presented_run(self, record: RunRecord) -> RunRecord:
        used, logged = (
            tuple(self._presented_ref(ref) for ref in refs) for refs in (record.used, record.logged)
        )
        return replace(record, used=used, logged=logged)

    def _presented_node(self, node: LineageNode) -> LineageNode:
        if node.kind == "run":
            return node
        version = self.presented(self.here.artifact(f"{node.name}:{node.version}"))
        return replace(
            node,
            id=lineage.artifact_node_id(version.ref),
            version=version.version,
            aliases=version.aliases,
        )

    def _close_there(self, run_id: str, state: StaleState) -> str | None:
        """Where W&B shows the run that died, if it had sent all that is kept of it."""
        url = self.there.close_run(run_id, state)
        record = self.run(run_id)
        pending = any(f":{HERE}" in ref for ref in (*record.used, *record.logged))
        if url is None or pending or not self.is_there(run_id):
            return None
        return url

    def is_there(self, run_id: str) -> bool:
        """Whether W&B has the last row that is kept here. The client drops rows when it must, and
        then all that come after."""
        steps = [row["step"] for row in self.here.history(run_id)]
        return self.there.last_step(run_id) >= max(steps, default=-1)

    def bring(self, theirs: ArtifactVersion) -> ArtifactVersion:
        """The version's copy here, made if need be with its producer and all before it."""
        return self.copy(theirs) or Bringing(self).bring(theirs)
