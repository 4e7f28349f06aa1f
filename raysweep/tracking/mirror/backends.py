"""The two backends of a mirrored project, and what a version is that either may have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, TrackingError
from raysweep.tracking.mirror.bring import Bringing
from raysweep.tracking.mirror.connection import Connection, Unsent
from raysweep.tracking.mirror.names import is_pending, is_version
from raysweep.tracking.mirror.numbering import Numbering
from raysweep.tracking.names import parse_reference
from raysweep.tracking.port import ArtifactVersion
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker

T = TypeVar("T")


class Backends:
    """The embedded store `here`, W&B `there`, and this process's connection to W&B."""

    def __init__(
        self, here: TrackioTracker, there: WandbTracker, connection: Connection | None = None
    ) -> None:
        self.here = here
        self.there = there
        self.project = there.project
        self.connection = connection or Connection()
        self.numbering = Numbering(here, there.scope)

    def begin_unreachable(self, why: str) -> None:
        """Mark W&B as unreachable, in this process and in every one that unpickles this tracker,
        until a probe succeeds."""
        self.connection = Connection(why)

    def ask(self, call: Callable[[], T]) -> T | None:
        """Return W&B's answer, or None if it is unreachable or refuses."""
        with suppress(Unsent):
            return self.send(call)
        return None

    def send(self, call: Callable[[], T], *, asks: bool = True) -> T:
        """Return W&B's answer. Raises Unsent if it is unreachable or refuses."""
        return self.connection.attempt(call, self.there.knock, self.there.probe, asks=asks)

    def artifact(self, ref: str) -> ArtifactVersion:
        """See Tracker. W&B resolves aliases, and references that are not here.

        An alias that was last set on a version that W&B does not have yet resolves to that version.
        """
        local = self.numbering.kept(ref)
        if local is not None:
            return self.numbering.presented(local)
        if is_version(parse_reference(ref).spec):  # the same number here is another version
            try:
                return self.numbering.presented_as(self.send(lambda: self.there.artifact(ref)))
            except Unsent as error:
                raise TrackingError(f"artifact {ref!r}: only W&B has it; {error}") from error
        return self._of_alias(ref)

    def _of_alias(self, ref: str) -> ArtifactVersion:
        local: ArtifactVersion | None = None
        with suppress(ArtifactNotFound):
            local = self.numbering.presented(self.here.artifact(ref))
        if local is not None and is_pending(local):
            return local
        try:
            remote = self.ask(lambda: self.there.artifact(ref))
        except ArtifactNotFound:
            if local is None:
                raise
            return local
        if remote is not None:
            return self.numbering.presented_as(remote)
        return local or self.numbering.presented(self.here.artifact(ref))

    def bring(self, remote: ArtifactVersion) -> ArtifactVersion:
        """Return the local copy; make it if necessary, with its producer and ancestors."""
        return Bringing(self.numbering, self.here, self.there).bring(remote)

    def is_there(self, run_id: str) -> bool:
        """Whether W&B has the last row that is stored here. If the client drops a row, it drops all
        later ones too."""
        steps = [row["step"] for row in self.here.history(run_id)]
        return self.there.last_step(run_id) >= max(steps, default=-1)
