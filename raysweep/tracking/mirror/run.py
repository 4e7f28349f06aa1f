"""A run in both trackers: stored in the embedded store and sent to W&B. See `mirror.tracker`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, TrackingError
from raysweep.tracking.mirror.backends import Backends
from raysweep.tracking.mirror.connection import Unsent
from raysweep.tracking.mirror.names import is_pending
from raysweep.tracking.port import ArtifactDraft, ArtifactVersion, Image, Json, Run, RunState

T = TypeVar("T")

KEPT_ELSEWHERE = "kept elsewhere until synced"
"""The error, in W&B, of a run that could not be sent completely."""


class MirroredRun:
    """A run in progress. After a call that could not be sent, the rest is stored only locally, so
    that the run in W&B has no gap."""

    def __init__(self, backends: Backends, local: Run, remote: Run | None) -> None:
        self.id = local.id
        self._backends = backends
        self._local = local
        self._remote = remote
        self._finished = False

    @property
    def url(self) -> str | None:
        """See Run."""
        return self._remote.url if self._remote else None

    def send(self, rows: Sequence[Mapping[str, Json]]) -> None:
        """Send stored rows, each with its `step`; skip those that W&B has."""
        for row in rows:
            values = {key: row[key] for key in row if key != "step"}
            self._send(partial(_log, values, row["step"]))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See Run."""
        self._local.log(metrics, step)
        self._send(lambda run: run.log(metrics, step))

    def log_images(self, key: str, images: Sequence[Image], step: int) -> None:
        """See Run."""
        self._local.log_images(key, images, step)
        self._send(lambda run: run.log_images(key, images, step))

    def log_table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Json]], step: int
    ) -> None:
        """See Run."""
        self._local.log_table(key, columns, rows, step)
        self._send(lambda run: run.log_table(key, columns, rows, step))

    def log_output(self, text: str) -> None:
        """See Run."""
        if text:
            self._send(lambda run: run.log_output(text))

    def use_artifact(self, ref: str) -> ArtifactVersion:
        """See Run."""
        if self._finished:
            raise TrackingError(f"run {self.id!r}: is finished; start it again to use more")
        backends = self._backends
        version = backends.artifact(ref)
        local = backends.numbering.kept(version.ref) or backends.bring(version)
        self._local.use_artifact(local.ref)
        if is_pending(version):  # W&B does not have what the run used
            self._give_up()
        self._send(lambda run: run.use_artifact(version.ref), asks=True)
        return version

    def log_artifact(self, draft: ArtifactDraft) -> ArtifactVersion:
        """See Run."""
        local = self._local.log_artifact(draft)
        remote = self._send(lambda run: run.log_artifact(draft), asks=True)
        if remote is None:
            return self._backends.numbering.presented(local)
        self._backends.numbering.note(local, remote.version)
        return self._backends.artifact(remote.ref)

    def summarize(self, values: Mapping[str, Json]) -> None:
        """See Run."""
        self._local.summarize(values)
        self._send(lambda run: run.summarize(values))

    def flush(self) -> None:
        """See Run."""
        self._local.flush()
        self._send(lambda run: run.flush(), asks=True)  # once an epoch: check the connection

    def finish(self, state: RunState = "finished", error: str | None = None) -> None:
        """See Run. If all of it was sent, the run here gets W&B's URL."""
        self._finished = True
        self._local.finish(state, error)
        self._send(lambda run: run.finish(state, error), asks=True)
        remote, self._remote = self._remote, None
        if remote is not None and self._backends.ask(lambda: self._backends.is_there(self.id)):
            self._backends.here.store.set_url(self.id, remote.url)

    def _send(self, call: Callable[[Run], T], *, asks: bool = False) -> T | None:
        """Send a call to W&B. `asks`: it waits for an answer; others go to the client's process."""
        remote = self._remote
        if remote is None:
            return None
        try:
            return self._backends.send(lambda: call(remote), asks=asks)
        except (Unsent, ArtifactNotFound):  # an input may have been deleted in W&B
            self._give_up()
            return None

    def _give_up(self) -> None:
        """Stop sending, and close the run in W&B, so that it does not show it as running."""
        remote, self._remote = self._remote, None
        if remote is not None:
            self._backends.ask(lambda: remote.finish("failed", KEPT_ELSEWHERE))


def _log(values: Mapping[str, float], step: int, run: Run) -> None:
    run.log(values, step)
