"""The embedded store's one writer as a Ray actor, and its stand-in on every other process.

The actor lives on the driver's node, beside the store, and reserves no CPU. Trials on any node
reach it through Ray itself: no port is opened, no token handed round, no SQLite file shared.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError

from raysweep.cluster.nodes import on_this_node
from raysweep.cluster.remote import as_actor, get
from raysweep.errors import StoreBusy, StoreFailed
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


class RemoteStore:
    """The `Store`, wherever the caller is: every call is forwarded to the one writer.

    Calls go in turns of one or more, and the next turn when the last one has come to an end: a
    writer that died and is there again is sent what it was cut short in, but after what was sent
    meanwhile, and a run's rows might come before its start.

    Any thread may call it: a program's endpoint does so from many. A call that waits for its answer
    keeps the others waiting.
    """

    def __init__(self, actor: Any, project: str, node: str, blobs: Blobs) -> None:
        self._actor = actor
        self.project = project
        self._node = node
        self._blobs = blobs
        self._known: dict[str, ArtifactVersion] = {}
        self._held: list[tuple[str, tuple[Any, ...]]] = []
        self._turns: list[Any] = []
        self._lock = threading.RLock()

    @staticmethod
    def start(root: Path, project: str, checkpoints: Path) -> RemoteStore:
        """Start the writer on this node. A call that its death cut short is sent again."""
        from raysweep.cluster.keeper import Keeper  # imports Trackio, which the driver alone needs

        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
        actor = as_actor(Keeper, **lasting, **on_this_node()).remote(root, project, checkpoints)
        node = ray.get_runtime_context().get_node_id()
        return RemoteStore(actor, project, node, Blobs(blobs_folder(root, project)))

    def stop(self) -> None:
        """End the writer. Every call that gave an answer is on disk."""
        ray.kill(self._actor)

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteStore, (self._actor, self.project, self._node, self._blobs)

    @property
    def shares_files(self) -> bool:
        return bool(ray.get_runtime_context().get_node_id() == self._node)

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """Returns at once: training never waits for the tracker. What is logged while the last turn
        is under way goes in one call after it."""
        with self._lock:
            method, arguments = self._held[-1] if self._held else ("", ())
            if method == "log_rows" and arguments[0] == run_id:
                arguments[1].extend(rows)
            else:
                self._hold("log_rows", run_id, list(rows))
            self._take_turn_if_free()

    def flush(self) -> None:
        with self._lock:
            self._answers()

    def start_run(self, spec: RunSpec, after: int | None = None) -> None:
        """Returns at once, as `log_rows` does."""
        check_run_id(spec.id)
        with self._lock:
            self._hold("start_run", spec, after)
            self._take_turn_if_free()

    def update_run(
        self,
        run_id: str,
        summary: Mapping[str, Json],
        state: RunState | None = None,
        error: str | None = None,
    ) -> None:
        """Returns at once. It goes with the next call, or with `flush`."""
        self._hold("update_run", run_id, plain(summary, "summary"), state, error)

    def describe_run(self, spec: RunSpec) -> None:
        """Returns at once. It goes with the next call, or with `flush`."""
        self._hold("describe_run", spec)

    def set_url(self, run_id: str, url: str | None) -> None:
        self._call("set_url", run_id, url)

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """Where the user waits for the end, a writer that waits for a lock is not waited for."""
        with self._lock:
            self._hold("close_stale", group, state)
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
        """A version that this process has used before is known, as it was then: that another run
        uses it goes with the next call."""
        if ref in self._known:
            self._hold("use_artifact", run_id, ref)
            return self._known[ref]
        version = self._version("use_artifact", run_id, ref)
        if version.ref == ref:  # else it is an alias, which may move
            self._known[ref] = version
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
        # Plain, or the writer would import what the values are made of: torch, in one instance.
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
        """Without the writer, whose node this is: one trial's large model holds up no other."""
        try:
            return self._blobs.stage_file(Path(path))
        except OSError as error:
            raise StoreFailed(f"cannot stage {path}: {error}; {CHECK_DISK}") from error

    def stage_chunk(self, digest: str, offset: int, chunk: bytes) -> None:
        self._call("stage_chunk", digest, offset, chunk)

    def stage_commit(self, digest: str) -> None:
        self._call("stage_commit", digest)

    def blob_path(self, digest: str) -> str:
        path: str = self._call("blob_path", digest)
        return path

    def read_blob(self, digest: str, offset: int, size: int) -> bytes:
        data: bytes = self._call("read_blob", digest, offset, size)
        return data

    def call(self, method: str, *arguments: Any) -> Any:
        """What the writer answers to a call that is not the store's: of its checkpoints."""
        return self._call(method, *arguments)

    def _version(self, method: str, *arguments: Any) -> ArtifactVersion:
        version: ArtifactVersion = self._call(method, *arguments)
        return version

    def _call(self, method: str, *arguments: Any) -> Any:
        with self._lock:
            self._hold(method, *arguments)
            return self._answers()[-1]

    def _hold(self, method: str, *arguments: Any) -> None:
        """For the next turn."""
        with self._lock:
            self._held.append((method, arguments))

    def _take_turn_if_free(self) -> None:
        if not self._turns or ray.wait(self._turns[-1:], timeout=0)[0]:
            self._take_turn()

    def _take_turn(self) -> None:
        self._turns.append(self._actor.take_turn.remote(self._held))
        self._held = []

    def _answers(self, timeout_s: float | None = None) -> list[Any]:
        """The last turn's, when all that was held has had its turn. Raises the first fault."""
        if self._held:
            if self._turns:
                ray.wait(self._turns[-1:], timeout=timeout_s)
            self._take_turn()
        turns, self._turns = self._turns, []
        try:
            answers: list[list[Any]] = get(turns, timeout_s)
        except GetTimeoutError:
            raise StoreBusy("the store's writer gives no answer") from None
        return answers[-1] if answers else []
