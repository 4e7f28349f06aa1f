"""The embedded store: what its one writer offers to every process of a sweep.

Flat and stateless: each call names the run or the artifact it is about and takes plain, picklable
values, so that a remote stand-in is a matter of forwarding. Every call that changes something may
be repeated with the same arguments, and then changes nothing more: whoever forwards a call may
send it again after the writer was started anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from raysweep.tracking.port import (
    ArtifactFile,
    ArtifactVersion,
    Json,
    Lineage,
    RunRecord,
    RunSpec,
    RunState,
    StaleState,
)


@dataclass(frozen=True)
class Pictures:
    """Pictures under one key: each a PNG file's bytes and a caption."""

    items: tuple[tuple[bytes, str], ...]


@dataclass(frozen=True)
class Table:
    """A table under one key; every row has a cell for every column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Json, ...], ...]


@dataclass(frozen=True)
class Row:
    """One row of history. `id` is unique in the project: a row sent twice is kept once."""

    id: str
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    media: Mapping[str, Pictures | Table] = field(default_factory=dict)


class Store(Protocol):
    """One project's runs, artifacts and bytes. Every method raises TrackingError when it cannot."""

    project: str
    """What gives no answer (`start_run`, `update_run`, `log_rows`) a remote stand-in may hold, and
    send with the next call: those of one caller are carried out in their order, and the next that
    answers, or `flush`, raises what was wrong with them."""

    @property
    def shares_files(self) -> bool:
        """Whether a path means the same file to the caller as to the store: the same node."""
        ...

    # Runs

    def start_run(self, spec: RunSpec, after: int | None = None) -> None:
        """Keep the run as `running`; one that is there already keeps its summary, and its history
        up to the step `after` (None: all of it). With -1 it has used nothing yet."""
        ...

    def update_run(
        self,
        run_id: str,
        summary: Mapping[str, Json],
        state: RunState | None = None,
        error: str | None = None,
    ) -> None:
        """Set keys of the run's summary, and with `state` its state and error too."""
        ...

    def set_url(self, run_id: str, url: str | None) -> None:
        """Note where a browser shows the run, all of which is there; None: it is not, any more."""
        ...

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """Keep rows of history."""
        ...

    def flush(self) -> None:
        """Return when all that this caller sent is kept. Raises TrackingError if it is not."""
        ...

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """As `Tracker.close_stale`."""
        ...

    def runs(self, group: str | None = None, run_id: str | None = None) -> list[RunRecord]:
        """All runs, or those of a group, or the one of that id (none: an empty list)."""
        ...

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """As `Tracker.history`."""
        ...

    def media(self, run_id: str, key: str) -> Pictures | Table | None:
        """What was last logged under `key`; None where nothing was."""
        ...

    # Artifacts

    def use_artifact(self, run_id: str, ref: str) -> ArtifactVersion:
        """Make the version an input of the run. Raises ArtifactNotFound."""
        ...

    def commit_artifact(
        self,
        run_id: str,
        name: str,
        type: str,
        description: str,
        metadata: Mapping[str, Json],
        files: Sequence[ArtifactFile],
    ) -> ArtifactVersion:
        """Make a version of bytes staged before, as an output of the run.

        The store adds METADATA_FILE itself. The same files and metadata are the version that is
        there already, and nothing of it is overwritten.
        """
        ...

    def artifact(self, ref: str) -> ArtifactVersion:
        """Resolve a reference. Raises ArtifactNotFound."""
        ...

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """As `Tracker.find_artifact`."""
        ...

    def set_alias(self, ref: str, alias: str) -> None:
        """Move (or add) `alias` to the version `ref`. Raises ArtifactNotFound."""
        ...

    def remove_alias(self, ref: str, alias: str) -> None:
        """Take `alias` from the version `ref`, if it is there. Raises ArtifactNotFound."""
        ...

    def lineage(self, ref: str) -> Lineage:
        """As `Tracker.lineage`."""
        ...

    # Bytes, by SHA-256 in hex

    def stage_file(self, path: str) -> tuple[str, int]:
        """Copy a file of this node in; its digest and size in bytes."""
        ...

    def stage_chunk(self, digest: str, offset: int, chunk: bytes) -> None:
        """Add bytes at `offset` of the blob `digest`, for a caller on another node."""
        ...

    def stage_commit(self, digest: str) -> None:
        """Keep the blob whose chunks were sent. Raises TrackingError if they do not hash to it."""
        ...

    def blob_path(self, digest: str) -> str:
        """Where the blob lies, for a caller on the same node."""
        ...

    def read_blob(self, digest: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes of the blob from `offset`; empty past its end."""
        ...
