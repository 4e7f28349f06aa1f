"""A sweep of programs in the embedded store and in W&B: what a program says is kept here first, and
sent then, by `sender`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from raysweep.errors import ArtifactNotFound
from raysweep.tracking.mirror.names import is_version
from raysweep.tracking.mirror.sender import Sender
from raysweep.tracking.mirror.tracker import MirroredTracker
from raysweep.tracking.names import parse_reference
from raysweep.tracking.port import (
    ArtifactDraft,
    ArtifactFile,
    ArtifactVersion,
    Image,
    Json,
    Run,
    RunSpec,
    RunState,
)
from raysweep.tracking.store import Row

_PATIENCE_S = 5.0
"""Seconds that a program which asks for a version waits for what is being sent. The endpoint
answers nothing else meanwhile, and what is sent may wait for a file that comes through it."""


class ProgramTracker(MirroredTracker):
    """The project in both. Runs begin in W&B when their programs begin them, with what these say.

    `store` is for the endpoint: the embedded store, of which W&B gets a copy."""

    _sender: Sender | None = None

    @property
    def sender(self) -> Sender:
        """Return what sends to W&B, of which a process has one."""
        if self._sender is None:
            self._sender = Sender(self, lambda line: print(f"raysweep: {line}", flush=True))
        return self._sender

    @property
    def store(self) -> ProgramStore:
        """Return the store that a program's endpoint writes into."""
        return ProgramStore(self)

    def start_run(self, spec: RunSpec, after: int | None = None) -> Run:
        """See Tracker."""
        run = TrialRun(self, self.here.start_run(spec, after))
        self.sender.hold(spec.id, anew=after == -1)
        return run

    def close(self) -> None:
        """See Tracker."""
        if self._sender is not None:
            self._sender.drain()
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_sender"}


class TrialRun:
    """The run of a trial, for its session; what its program says goes through the store."""

    def __init__(self, tracker: ProgramTracker, local: Run) -> None:
        self.id = local.id
        self._tracker = tracker
        self._local = local
        self._finished = False

    @property
    def url(self) -> str | None:
        """See Run. None until the program has begun it."""
        return self._tracker.sender.url(self.id)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """See Run."""
        self._local.log(metrics, step)

    def log_images(self, key: str, images: Sequence[Image], step: int) -> None:
        """See Run."""
        self._local.log_images(key, images, step)

    def log_table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Json]], step: int
    ) -> None:
        """See Run."""
        self._local.log_table(key, columns, rows, step)

    def log_output(self, text: str) -> None:
        """See Run."""
        if text:
            self._tracker.sender.log_output(self.id, text)

    def use_artifact(self, ref: str) -> ArtifactVersion:
        """See Run."""
        return self._tracker.store.use_artifact(self.id, ref)

    def log_artifact(self, draft: ArtifactDraft) -> ArtifactVersion:
        """See Run."""
        version = self._local.log_artifact(draft)
        self._tracker.sender.log(self.id, version)
        return version

    def summarize(self, values: Mapping[str, Json]) -> None:
        """See Run."""
        self._tracker.store.update_run(self.id, values)

    def flush(self) -> None:
        """See Run."""
        self._local.flush()

    def finish(self, state: RunState = "finished", error: str | None = None) -> None:
        """See Run. Waits for what is being sent."""
        if not self._finished:
            self._finished = True
            self._local.finish(state, error)
            self._tracker.sender.finish(self.id, state, error)


class ProgramStore:
    """See Store: the embedded one; what changes it is sent to W&B, too."""

    def __init__(self, tracker: ProgramTracker) -> None:
        self._store = tracker.here.store
        self._tracker = tracker
        self._sender = tracker.sender
        self._shown: set[str] = set()
        self.project = self._store.project

    def meant(self, ref: str) -> str:
        """See Resolves. A number that the program was told here is the store's, another is W&B's.
        What is being sent is sent first: an alias may be among it."""
        if ref in self._shown:
            return ref
        self._sender.drain(_PATIENCE_S)
        tracker = self._tracker
        reference = parse_reference(ref)
        if self._sender.moves(reference.name) and not is_version(reference.spec):
            with suppress(ArtifactNotFound):  # W&B's alias is still the one before
                local = self._store.artifact(ref)
                self._shown.add(local.ref)
                return local.ref
        version = tracker.artifact(ref)
        local = tracker.numbering.kept(version.ref) or tracker.bring(version)
        self._shown.add(local.ref)
        return local.ref

    def means(self, ref: str) -> str | None:
        """See Resolves."""
        tracker = self._tracker
        local = tracker.numbering.kept(tracker.artifact(ref).ref)
        return None if local is None else local.ref

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def update_run(
        self,
        run_id: str,
        summary: Mapping[str, Json],
        state: RunState | None = None,
        error: str | None = None,
    ) -> None:
        """See Store."""
        self._store.update_run(run_id, summary, state, error)
        if summary:
            self._sender.summarize(run_id, summary)
        if state is not None:
            self._sender.end(run_id, state, error)

    def describe_run(self, spec: RunSpec) -> None:
        """See Store."""
        self._store.describe_run(spec)
        self._sender.describe(spec.id)

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """See Store."""
        self._store.log_rows(run_id, rows)
        self._sender.log_rows(run_id, list(rows))

    def add_files(self, run_id: str, files: Sequence[ArtifactFile]) -> None:
        """See Store."""
        self._store.add_files(run_id, files)
        self._sender.add_files(run_id, list(files))

    def use_artifact(self, run_id: str, ref: str) -> ArtifactVersion:
        """See Store."""
        version: ArtifactVersion = self._store.use_artifact(run_id, ref)
        self._shown.add(version.ref)
        self._sender.use(run_id, version)
        return version

    def commit_artifact(
        self,
        run_id: str,
        name: str,
        type: str,
        description: str,
        metadata: Mapping[str, Json],
        files: Sequence[ArtifactFile],
    ) -> ArtifactVersion:
        """See Store."""
        version: ArtifactVersion = self._store.commit_artifact(
            run_id, name, type, description, metadata, files
        )
        self._shown.add(version.ref)
        self._sender.log(run_id, version)
        return version

    def set_alias(self, ref: str, alias: str) -> None:
        """See Store."""
        self._store.set_alias(ref, alias)
        self._sender.alias(self._store.artifact(ref).ref, alias)

    def remove_alias(self, ref: str, alias: str) -> None:
        """See Store."""
        version = self._store.artifact(ref).ref
        self._store.remove_alias(ref, alias)
        self._sender.alias(version, alias, remove=True)
