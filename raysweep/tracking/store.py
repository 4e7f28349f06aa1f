"""The interface of the embedded store: what its single writer offers to all processes of a sweep.

It is flat and stateless: each call names its run or artifact and takes plain, picklable values, so
that a remote proxy only forwards calls. Every call that changes something is idempotent: a proxy
may retry it after the writer was restarted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

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
class ClientMedia:
    """Media under one key as W&B's client describes it: `_type`, `path` and the like. Its bytes are
    among the files of the run."""

    value: Mapping[str, Json]


Media = Pictures | Table | ClientMedia


@dataclass(frozen=True)
class Row:
    """One row of history. `id` is unique in the project: a row sent twice is kept once."""

    id: str
    step: int
    metrics: Mapping[str, Json] = field(default_factory=dict)
    media: Mapping[str, Media] = field(default_factory=dict)


@runtime_checkable
class Resolves(Protocol):
    """A store beside a server that names versions, too."""

    def meant(self, ref: str) -> str:
        """Return the store's reference of what the server means by `ref`, and copy it here if only
        the server has it. Raises ArtifactNotFound."""
        ...


class Store(Protocol):
    """One project's runs, artifacts and bytes. Every method raises TrackingError if it fails.

    `start_run`, `update_run` and `log_rows` may be buffered by a remote proxy. Calls from one
    client are applied in order; errors surface on the next call that returns a value, or on
    `flush`.
    """

    project: str

    @property
    def shares_files(self) -> bool:
        """Whether caller and store share a file system, as on the same node."""
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
        """Set keys of the run's summary; with `state`, also its state and error."""
        ...

    def describe_run(self, spec: RunSpec) -> None:
        """Replace name, job type, group, config, tags and attributes of the run `spec.id`; its
        state, summary and history stay."""
        ...

    def set_url(self, run_id: str, url: str | None) -> None:
        """Set the URL of the run at a server that has it completely; None: it no longer has."""
        ...

    def log_rows(self, run_id: str, rows: Sequence[Row]) -> None:
        """Add rows of history."""
        ...

    def flush(self) -> None:
        """Wait until all calls of this caller are applied. Raises TrackingError if one failed."""
        ...

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """As `Tracker.close_stale`."""
        ...

    def runs(self, group: str | None = None, run_id: str | None = None) -> list[RunRecord]:
        """List all runs, those of a group, or the one with that id (unknown: an empty list)."""
        ...

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """As `Tracker.history`."""
        ...

    def rows(self, run_id: str) -> list[Row]:
        """Return all logged rows with media, by ascending step."""
        ...

    def media(self, run_id: str, key: str) -> Media | None:
        """Return what was last logged under `key`; None if nothing was."""
        ...

    def add_files(self, run_id: str, files: Sequence[ArtifactFile]) -> None:
        """Keep staged bytes as files of the run; one of the same path is replaced."""
        ...

    def files(self, run_id: str) -> list[ArtifactFile]:
        """Return the files of the run, by path."""
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
        """Make a version from staged bytes, as an output of the run.

        Raises BytesLacking where a file is not staged, or was removed since. The store adds
        METADATA_FILE itself. If a version with the same files and metadata exists,
        that version is returned, unchanged.
        """
        ...

    def artifact(self, ref: str) -> ArtifactVersion:
        """Resolve a reference. Raises ArtifactNotFound."""
        ...

    def versions(self, name: str | None = None) -> list[ArtifactVersion]:
        """Return all versions of the artifact, or of every one, the oldest first."""
        ...

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """As `Tracker.find_artifact`."""
        ...

    def find_digest(self, name: str, digest: str) -> ArtifactVersion | None:
        """Return the newest version of `name` whose W&B manifest has this digest."""
        ...

    def set_alias(self, ref: str, alias: str) -> None:
        """Move (or add) `alias` to the version `ref`. Raises ArtifactNotFound."""
        ...

    def remove_alias(self, ref: str, alias: str) -> None:
        """Remove `alias` from the version `ref`, if it has it. Raises ArtifactNotFound."""
        ...

    def lineage(self, ref: str) -> Lineage:
        """As `Tracker.lineage`."""
        ...

    # Bytes, by SHA-256 in hex

    def stage_file(self, path: str) -> tuple[str, int]:
        """Copy a file of this node in; return its digest and size in bytes."""
        ...

    def take_file(self, path: str, digest: str) -> None:
        """Move a file of this node in, whose digest the caller knows. It is copied from another
        file system."""
        ...

    def stage_chunk(self, upload: str, offset: int, chunk: bytes) -> None:
        """Add bytes at `offset` of the upload, for a caller on another node.

        `upload` is a name of the caller's own, in hex. A remote proxy sends the bytes and returns
        before they are written, with a few chunks of an upload in flight; what goes wrong is raised
        by a later call for this upload.
        """
        ...

    def stage_commit(self, upload: str, digest: str) -> None:
        """Publish the upload as the blob `digest`. Raises TrackingError if its hash differs."""
        ...

    def stage_drop(self, upload: str) -> None:
        """Remove what has come of an upload that will not be committed."""
        ...

    def blob_path(self, digest: str) -> str:
        """Return the blob's path, for a caller on the same node."""
        ...

    def blob_chunks(self, digest: str) -> Iterator[bytes]:
        """Yield the blob's bytes, for a caller on another node."""
        ...
