"""The tracker port: the interface to an experiment tracker that every adapter implements.

Runs and artifact versions form a bipartite graph: a run uses versions and logs versions. The port
exposes that graph, and only what a sweep needs of it. All arguments and results are plain data
(JSON-like values, paths, uint8 arrays), so an adapter may live in another process.

The contract, which `tests/contract` checks for every adapter:

- When a call returns, its effect is durable: killing the process afterwards loses nothing. The
  start of a run, `Run.log` and `Run.summarize` may be in flight until `Run.flush` or another call
  of that run has returned.
- An artifact is its files *and* its metadata. Versions are numbered v0, v1, … without gaps; the
  number of a version that was removed is not used again. The
  same files with the same metadata, logged again under the same name, are the same version, which
  does not change; a difference in either makes a new one. The metadata is stored in the version as
  `METADATA_FILE`. NaN and the infinities in it become the strings "NaN", "Infinity" and
  "-Infinity".
- A new version takes the alias `latest`. Any alias, `latest` included, can be moved to any version.
  Whether `latest` moves to a version that is logged again depends on the tracker (W&B: yes;
  Trackio: no); use `set_alias` where it matters.
- History has one row per step: values logged again for a step are merged, the later one wins.
- Artifacts are named by a reference, `name:vK` or `name:alias`; a bare `name` means `name:latest`.
- A run that is never finished becomes `crashed` when `Tracker.close_stale` names its group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Json = Any
"""A value that `json.dumps` accepts: str, int, float, bool, None, list, dict with string keys."""

RunState = Literal["running", "finished", "failed", "crashed", "interrupted"]

StaleState = Literal["crashed", "interrupted"]
"""The state of a run whose process ended without finishing it."""

METADATA_FILE = "metadata.json"
"""The file, in every version, that holds its metadata as canonical JSON."""

DROPPED = "bytes_dropped_by"
"""The key, in the tracker's own copy of a version's metadata, that says why its bytes are gone."""

STALE_ERRORS: Mapping[str, str] = {
    "crashed": "the process ended without finishing the run",
    "interrupted": "the sweep was interrupted; it can be resumed",
}
"""The error of a run that `Tracker.close_stale` has closed."""


@dataclass(frozen=True)
class RunSpec:
    """A run about to be started.

    `id` is unique in the project and chosen by the caller, so that a restarted process continues
    the same run: 1 to 128 letters, digits, dots, underscores and hyphens. `group` is the sweep.
    """

    id: str
    name: str
    job_type: str
    group: str
    config: Mapping[str, Json] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Json] = field(default_factory=dict)
    """What else its program says of it: `notes`, `host`, `program`, …"""


@dataclass(frozen=True)
class ArtifactDraft:
    """An artifact about to be logged: `files` maps the path inside it to a file on this machine.

    METADATA_FILE is reserved for the tracker and must not be among them.
    """

    name: str
    type: str
    description: str
    metadata: Mapping[str, Json]
    files: Mapping[str, Path]


@dataclass(frozen=True)
class ArtifactFile:
    """One file of a version. `digest` is the tracker's own (Trackio: SHA-256 in hex; W&B: MD5)."""

    path: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class ArtifactVersion:
    """A version as the tracker knows it. `aliases` are sorted; `producer` is the run's id.
    `dropped`: what dropped the bytes of its files, all but METADATA_FILE's; None if they are kept.
    """

    name: str
    type: str
    version: str
    description: str
    metadata: Mapping[str, Json]
    aliases: tuple[str, ...]
    files: tuple[ArtifactFile, ...]
    digest: str
    producer: str | None
    dropped: str | None = None

    @property
    def ref(self) -> str:
        """`name:vK`, the immutable reference."""
        return f"{self.name}:{self.version}"

    @property
    def kept_files(self) -> tuple[ArtifactFile, ...]:
        """The files whose bytes are kept."""
        if self.dropped is None:
            return self.files
        return tuple(file for file in self.files if file.path == METADATA_FILE)


@dataclass(frozen=True)
class RunRecord:
    """A run as the tracker knows it. `used` and `logged` are references `name:vK`, in order;
    `created` is an ISO time in UTC, empty where the tracker does not say."""

    id: str
    name: str
    job_type: str
    group: str
    state: RunState
    config: Mapping[str, Json]
    summary: Mapping[str, Json]
    tags: tuple[str, ...]
    used: tuple[str, ...]
    logged: tuple[str, ...]
    error: str | None
    url: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True)
class Image:
    """A picture to log: `pixels` is (H, W) or (H, W, 3) uint8."""

    pixels: npt.NDArray[np.uint8]
    caption: str


@dataclass(frozen=True)
class LineageNode:
    """A run or an artifact version. `id` is `run:<id>` or `artifact:<name>:vK`."""

    id: str
    kind: Literal["run", "artifact"]
    name: str
    job_type: str | None = None  # of a run
    state: RunState | None = None  # of a run
    type: str | None = None  # of an artifact
    version: str | None = None  # of an artifact
    aliases: tuple[str, ...] = ()  # of an artifact


@dataclass(frozen=True)
class Lineage:
    """Everything upstream and downstream of one version; an edge follows the data."""

    focus: str
    nodes: tuple[LineageNode, ...]
    edges: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Json]:
        """Convert to the output of `lineage --json`: {"nodes": […], "edges": [[from, to], …]}."""
        nodes = []
        for node in self.nodes:
            common = {"id": node.id, "kind": node.kind, "name": node.name}
            own = (
                {"job_type": node.job_type, "state": node.state}
                if node.kind == "run"
                else {"type": node.type, "version": node.version, "aliases": list(node.aliases)}
            )
            nodes.append(common | own)
        return {"nodes": nodes, "edges": [list(edge) for edge in self.edges]}


class Run(Protocol):
    """A run in progress, in the process that holds it."""

    @property
    def id(self) -> str: ...

    @property
    def url(self) -> str | None:
        """The URL of the run; None if no server shows it."""
        ...

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Add a row of history. `step` never decreases; the row may be in flight until `flush`."""
        ...

    def log_images(self, key: str, images: Sequence[Image], step: int) -> None:
        """Log a list of pictures under one key."""
        ...

    def log_table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Json]], step: int
    ) -> None:
        """Log a table under one key."""
        ...

    def log_output(self, text: str) -> None:
        """Show lines that the run's process printed, on the run's page, if a server has one."""
        ...

    def use_artifact(self, ref: str) -> ArtifactVersion:
        """Declare `ref` an input of this run. Raises ArtifactNotFound."""
        ...

    def log_artifact(self, draft: ArtifactDraft) -> ArtifactVersion:
        """Log an output of this run; it is durable and visible when the call returns."""
        ...

    def summarize(self, values: Mapping[str, Json]) -> None:
        """Set keys of the run's summary; other keys stay."""
        ...

    def flush(self) -> None:
        """Wait until every row logged so far is durable. Raises TrackingError if one was lost."""
        ...

    def finish(self, state: RunState = "finished", error: str | None = None) -> None:
        """Close the run for good; a second call does nothing."""
        ...


class Tracker(Protocol):
    """A project in a tracker. An implementation can be pickled and used in another process."""

    backend: str
    project: str

    @property
    def url(self) -> str | None:
        """Return the URL of the project; None if no server shows it."""
        ...

    def start_run(self, spec: RunSpec, after: int | None = None) -> Run:
        """Start the run, or continue the one with that id (its state becomes `running` again).

        `after`: the step from which it continues. Rows of later steps, which an earlier process
        logged, are not duplicated when they are logged again. -1 begins the run again: what it used
        before is forgotten, too, where the tracker can forget a use (Trackio: yes; W&B: no).
        """
        ...

    def artifact(self, ref: str) -> ArtifactVersion:
        """Resolve a reference. Raises ArtifactNotFound."""
        ...

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """Find the newest version of `name` whose metadata has this `fingerprint`."""
        ...

    def download(self, ref: str, folder: Path) -> ArtifactVersion:
        """Write the version's files into `folder`, which must be absent or empty.

        Each file's digest is checked: ArtifactCorrupt names the file that differs, and no folder
        is left behind. Raises ArtifactDropped for a version whose bytes were dropped. On the
        tracker's node a file may be a read-only hard link of the tracker's blob; do not write to
        it.
        """
        ...

    def set_alias(self, ref: str, alias: str) -> None:
        """Move (or add) `alias` to the version `ref`."""
        ...

    def remove_alias(self, ref: str, alias: str) -> None:
        """Remove `alias` from the version `ref`, if it has it."""
        ...

    def run(self, run_id: str) -> RunRecord:
        """Return one run. Raises TrackingError for an unknown id."""
        ...

    def runs(self, group: str | None = None) -> list[RunRecord]:
        """List the runs of a group (None: all of the project), oldest first."""
        ...

    def history(self, run_id: str) -> list[dict[str, Json]]:
        """Return the logged rows without media, each with its `step`, in ascending order."""
        ...

    def images(self, run_id: str, key: str) -> list[Image]:
        """Return the pictures last logged under `key`."""
        ...

    def table(self, run_id: str, key: str) -> tuple[list[str], list[list[Json]]]:
        """Return columns and rows of the table last logged under `key`."""
        ...

    def lineage(self, ref: str) -> Lineage:
        """Return the ancestors and descendants of the version."""
        ...

    def close_stale(self, group: str, state: StaleState = "crashed") -> list[str]:
        """Mark the group's runs that are still `running` as `crashed`, or as `interrupted` if the
        user stopped the sweep; return their ids."""
        ...

    def close(self) -> None:
        """Close connections and processes; a second call does nothing."""
        ...
