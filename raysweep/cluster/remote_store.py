"""Start the writer actor of the embedded store, and call it from every process.

The actor runs on the driver's node, beside the store, and reserves no CPU. Trials on any node reach
it through Ray: no port is opened, no token is shared, and no SQLite file is used by two machines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError

from raysweep.cluster.in_flight import GROUPS, InFlight, read_ahead
from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_actor, get
from raysweep.errors import StoreBusy, StoreFailed, TrackingError
from raysweep.tracking import (
    ArtifactFile,
    ArtifactVersion,
    Json,
    Lineage,
    RunRecord,
    RunSpec,
    RunState,
    StaleState,
)
from raysweep.tracking.blobs import CHECK_DISK, Blobs, blobs_folder
from raysweep.tracking.busy import INTERRUPTED_S
from raysweep.tracking.metadata import plain
from raysweep.tracking.names import check_run_id
from raysweep.tracking.store import Media, Row

_LOOK_S = 0.005
"""Seconds between two looks at the batch in flight. A look takes Ray 0.1 ms: with one a row, a
program that logged rows as fast as it could spent two thirds of the time on them."""


class RemoteStore:
    """A proxy of the `Store` for any process: every call is sent to the writer.

    Calls are sent in batches, one batch in flight at a time. Why: when the writer restarts, Ray
    retries the calls that were in flight after later ones, so a run's rows might arrive before its
    start.

    Any thread may call it: a program's endpoint does so from many. A call that waits for its answer
    keeps the others waiting.
    """

    def __init__(self, actor: Any, project: str, node: str, blobs: Blobs) -> None:
        self._actor = actor
        self.project = project
        self._node = node
        self._blobs = blobs
        self._used: dict[str, ArtifactVersion] = {}
        self._uploads: dict[str, InFlight] = {}
        self._queued: list[tuple[str, tuple[Any, ...]]] = []
        self._batches: list[Any] = []
        self._looked = 0.0
        self._lock = threading.RLock()

    @staticmethod
    def start(root: Path, project: str, checkpoints: Path) -> RemoteStore:
        """Start the writer on this node. If it dies, Ray restarts it and retries the calls in
        flight."""
        from raysweep.cluster.writer import Writer  # imports Trackio, which only the driver needs

        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        made = as_actor(Writer, concurrency_groups=GROUPS, **options, **on_this_node())
        actor = made.remote(root, project, checkpoints)
        node = ray.get_runtime_context().get_node_id()
        return RemoteStore(actor, project, node, Blobs(blobs_folder(root, project)))

    def stop(self) -> None:
        """Kill the writer. Every call that has returned is on disk."""
        ray.kill(self._actor)

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteStore, (self._actor, self.project, self._node, self._blobs)

    @property
    def shares_files(self) -> bool:
        return bool(ray.get_runtime_context().get_node_id() == self._node)

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """Queue rows and return at once: training never waits for the tracker. Rows that are logged
        while a batch is in flight are sent together after it."""
        with self._lock:
            method, arguments = self._queued[-1] if self._queued else ("", ())
            if method == "log_rows" and arguments[0] == run_id:
                arguments[1].extend(rows)
            else:
                self._queue("log_rows", run_id, list(rows))
            self._send_if_idle()

    def flush(self) -> None:
        with self._lock:
            self._answers()

    def start_run(self, spec: RunSpec, after: int | None = None) -> None:
        """Queue the call and return at once, as `log_rows` does."""
        check_run_id(spec.id)
        with self._lock:
            self._queue("start_run", spec, after)
            self._send_if_idle()

    def update_run(
        self,
        run_id: str,
        summary: Mapping[str, Json],
        state: RunState | None = None,
        error: str | None = None,
    ) -> None:
        """Queue the call and return at once. It is sent with the next call, or with `flush`."""
        self._queue("update_run", run_id, plain(summary, "summary"), state, error)

    def describe_run(self, spec: RunSpec) -> None:
        """Queue the call and return at once. It is sent with the next call, or with `flush`."""
        self._queue("describe_run", spec)

    def set_url(self, run_id: str, url: str | None) -> None:
        self._call("set_url", run_id, url)

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """After a Ctrl-C, wait only INTERRUPTED_S for a writer that waits for a lock."""
        with self._lock:
            self._queue("close_stale", group, state)
            stale: list[str] = self._answers(INTERRUPTED_S if state == "interrupted" else None)[-1]
        return stale

    def runs(self, group: str | None = None, run_id: str | None = None) -> list[RunRecord]:
        runs: list[RunRecord] = self._call("runs", group, run_id)
        return runs

    def history(self, run_id: str) -> list[dict[str, Json]]:
        history: list[dict[str, Json]] = self._call("history", run_id)
        return history

    def rows(self, run_id: str) -> list[Row]:
        rows: list[Row] = self._call("rows", run_id)
        return rows

    def media(self, run_id: str, key: str) -> Media | None:
        media: Media | None = self._call("media", run_id, key)
        return media

    def add_files(self, run_id: str, files: Sequence[ArtifactFile]) -> None:
        self._call("add_files", run_id, list(files))

    def files(self, run_id: str) -> list[ArtifactFile]:
        files: list[ArtifactFile] = self._call("files", run_id)
        return files

    def use_artifact(self, run_id: str, ref: str) -> ArtifactVersion:
        """Return a version that this process has used before from a cache; that another run uses it
        is sent with the next call."""
        if ref in self._used:
            self._queue("use_artifact", run_id, ref)
            return self._used[ref]
        version = self._version("use_artifact", run_id, ref)
        if version.ref == ref:  # else it is an alias, which may move
            self._used[ref] = version
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
        # Plain values: otherwise the writer would import their types' modules, such as torch.
        arguments = (run_id, name, type, description, plain(metadata), list(files))
        return self._version("commit_artifact", *arguments)

    def artifact(self, ref: str) -> ArtifactVersion:
        return self._version("artifact", ref)

    def versions(self, name: str | None = None) -> list[ArtifactVersion]:
        versions: list[ArtifactVersion] = self._call("versions", name)
        return versions

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        found: ArtifactVersion | None = self._call("find_artifact", name, fingerprint)
        return found

    def find_digest(self, name: str, digest: str) -> ArtifactVersion | None:
        found: ArtifactVersion | None = self._call("find_digest", name, digest)
        return found

    def set_alias(self, ref: str, alias: str) -> None:
        self._call("set_alias", ref, alias)

    def remove_alias(self, ref: str, alias: str) -> None:
        self._call("remove_alias", ref, alias)

    def lineage(self, ref: str) -> Lineage:
        lineage: Lineage = self._call("lineage", ref)
        return lineage

    def stage_file(self, path: str) -> tuple[str, int]:
        """Copy the file without the writer, on whose node this runs, so that a large model does not
        delay other trials."""
        try:
            return self._blobs.stage_file(Path(path))
        except OSError as error:
            raise StoreFailed(f"cannot stage {path}: {error}; {CHECK_DISK}") from error

    def take_file(self, path: str, digest: str) -> None:
        """Move the file without the writer, as `stage_file` copies it."""
        try:
            self._blobs.take_file(Path(path), digest)
        except OSError as error:
            raise StoreFailed(f"cannot stage {path}: {error}; {CHECK_DISK}") from error

    def stage_chunk(self, upload: str, offset: int, chunk: bytes) -> None:
        """Send the chunk and return, unless IN_FLIGHT of the upload are on their way. Only one
        thread may send an upload."""
        self._uploads.setdefault(upload, self.in_flight()).send(
            "stage_chunk", upload, offset, chunk
        )

    def stage_commit(self, upload: str, digest: str) -> None:
        self._uploads.pop(upload, self.in_flight()).wait()
        self._call("stage_commit", upload, digest)

    def stage_drop(self, upload: str) -> None:
        """Remove what has come of it, whatever went wrong."""
        with suppress(TrackingError):
            self._uploads.pop(upload, self.in_flight()).wait()
        with suppress(TrackingError):
            self._call("stage_drop", upload)

    def in_flight(self) -> InFlight:
        """Return what sends chunks of a file of the caller's to the writer."""
        return InFlight(self._actor)

    def blob_path(self, digest: str) -> str:
        path: str = self._call("blob_path", digest)
        return path

    def blob_chunks(self, digest: str) -> Iterator[bytes]:
        return read_ahead(self._actor, "read_blob", digest)

    def checkpoint_chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a checkpoint's file; none if it cannot be read."""
        return read_ahead(self._actor, "read_checkpoint", name)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the writer that is not the store's: those of its checkpoints."""
        return self._call(method, *arguments)

    def append_log(self, run: str, data: bytes, most: int) -> Any:
        """Return the reference of the call. From any thread: logs are in no turn with the rest."""
        return self._actor.append_log.remote(run, data, most)

    def _version(self, method: str, *arguments: Any) -> ArtifactVersion:
        version: ArtifactVersion = self._call(method, *arguments)
        return version

    def _call(self, method: str, *arguments: Any) -> Any:
        with self._lock:
            self._queue(method, *arguments)
            return self._answers()[-1]

    def _queue(self, method: str, *arguments: Any) -> None:
        """Add a call to the next batch."""
        with self._lock:
            self._queued.append((method, arguments))

    def _send_if_idle(self) -> None:
        """Send the queued calls unless a batch is in flight, or was a moment ago."""
        now = time.monotonic()
        if self._batches and now - self._looked < _LOOK_S:
            return
        self._looked = now
        if not self._batches or ray.wait(self._batches[-1:], timeout=0)[0]:
            self._send()

    def _send(self) -> None:
        self._batches.append(self._actor.run_batch.remote(self._queued))
        self._queued = []

    def _answers(self, timeout_s: float | None = None) -> list[Any]:
        """Send all queued calls, wait, and return the last batch's answers or raise its error."""
        if self._queued:
            if self._batches:
                ray.wait(self._batches[-1:], timeout=timeout_s)
            self._send()
        batches, self._batches = self._batches, []
        try:
            answers: list[list[Any]] = get(batches, timeout_s)
        except GetTimeoutError:
            raise StoreBusy("the store's writer does not answer") from None
        return answers[-1] if answers else []
