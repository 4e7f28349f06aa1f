"""Convert what W&B's client returns to the port's values."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import wandb

from raysweep.errors import ArtifactCorrupt, TrackingError
from raysweep.paths import safe_join
from raysweep.tracking.blobs import read_chunks
from raysweep.tracking.bounded import within
from raysweep.tracking.lineage import artifact_node_id, run_node_id
from raysweep.tracking.metadata import number
from raysweep.tracking.pictures import from_png
from raysweep.tracking.port import (
    STALE_ERRORS,
    ArtifactFile,
    ArtifactVersion,
    Image,
    Json,
    LineageNode,
    RunRecord,
    RunState,
)
from raysweep.tracking.programs import is_clients
from raysweep.tracking.wandb.project import Project
from raysweep.tracking.wandb.settings import transfer_timeout_s

ERROR_KEY = "error"
"""The key of a run's summary that holds its error; W&B has no field for one."""

MANIFEST_TIMEOUT_S = 15.0
"""Timeout for a manifest: the client would retry a lost server for 20 minutes, while the trial
waits, and has no setting for it."""

_STATES: dict[str, RunState] = {
    "running": "running",
    "pending": "running",
    "finished": "finished",
    "failed": "failed",
}


def version_of(artifact: wandb.Artifact) -> ArtifactVersion:
    """Convert the version; fetches its files and its producer from the server."""
    name, _, version = reference_of(artifact).partition(":")
    producer = artifact.logged_by()
    manifest = manifest_of(artifact)
    return ArtifactVersion(
        name=name,
        type=artifact.type,
        version=version,
        description=artifact.description or "",
        metadata=dict(artifact.metadata),
        aliases=tuple(sorted(a for a in artifact.aliases if not re.fullmatch(r"v\d+", a))),
        files=tuple(
            ArtifactFile(path, entry.digest, entry.size or 0)
            for path, entry in sorted(manifest.entries.items())
        ),
        digest=artifact.digest,
        producer=producer.id if producer else None,
    )


def manifest_of(artifact: wandb.Artifact) -> Any:
    """Fetch the version's manifest. Raises TrackingError after MANIFEST_TIMEOUT_S."""
    name = reference_of(artifact)
    return within(MANIFEST_TIMEOUT_S, f"read the manifest of {name}", lambda: artifact.manifest)


def download(artifact: wandb.Artifact, folder: Path) -> None:
    """Write the version's files into `folder` and check each. Raises ArtifactCorrupt, UnsafeName,
    and TrackingError if it takes longer than its size allows."""

    def work() -> None:
        check_names(artifact, folder)
        artifact.download(root=str(folder))
        check_files(artifact, folder)

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    limit_s = transfer_timeout_s(artifact.size)
    within(limit_s, f"download {reference_of(artifact)}", work, abandoned=remove)


def reference_of(artifact: wandb.Artifact) -> str:
    """Return `name:vK`. The client's own `name` may end with the alias of the request."""
    return f"{artifact.name.partition(':')[0]}:{artifact.version}"


def record_of(run: Any) -> RunRecord:
    """Convert the run; fetches its inputs and outputs from the server."""
    summary = {k: number(v) for k, v in run.summary_metrics.items() if not k.startswith("_")}
    error = summary.pop(ERROR_KEY, None)
    return RunRecord(
        id=run.id,
        name=run.name or run.id,
        job_type=run.job_type or "",
        group=run.group or "",
        state=state_of(run),
        config={k: v for k, v in run.config.items() if not k.startswith("_")},
        summary={k: v for k, v in summary.items() if not _is_media(v)},
        tags=tuple(run.tags),
        used=tuple(refs(run.used_artifacts())),
        logged=tuple(refs(run.logged_artifacts())),
        error=error,
        url=run.url,
    )


def state_of(run: Any) -> RunState:
    """Return the run's state. A W&B client cannot set `crashed`, so the error encodes it."""
    stale: tuple[RunState, ...] = ("crashed", "interrupted")
    for state in stale:
        if run.summary_metrics.get(ERROR_KEY) == STALE_ERRORS[state] and run.state != "running":
            return state
    return _STATES.get(run.state, "crashed")


def refs(artifacts: Iterable[wandb.Artifact]) -> list[str]:
    """List references `name:vK`, in order, without the client's own artifacts, such as tables."""
    return [reference_of(a) for a in artifacts if not is_clients(a.type)]


def history_of(run: Any) -> list[dict[str, Json]]:
    """Return the rows without media. Steps count examples, so one page spans a million."""
    rows = []
    for row in run.scan_history(page_size=1_000_000):
        numbers = {
            key: number(value)
            for key, value in row.items()
            if not key.startswith("_") and value is not None and not _is_media(value)
        }
        if numbers:
            rows.append({"step": row["_step"], **numbers})
    return rows


def keys_by_step(run: Any) -> dict[int, set[str]]:
    """Map each step to the keys of its row, media included."""
    return {
        row["_step"]: {k for k, v in row.items() if not k.startswith("_") and v is not None}
        for row in run.scan_history(page_size=1_000_000)
    }


def images_of(run: Any, key: str) -> list[Image]:
    """Return the pictures last logged under `key`. Raises TrackingError if there are none."""
    value = run.summary_metrics.get(key)
    if not _is_media(value) or "filenames" not in value:
        raise TrackingError(f"run {run.id!r}: no images were logged under {key!r}")
    captions = value.get("captions") or [""] * len(value["filenames"])
    return [
        Image(from_png(_file(run, path)), caption or "")
        for path, caption in zip(value["filenames"], captions, strict=True)
    ]


def table_of(run: Any, key: str) -> tuple[list[str], list[list[Json]]]:
    """Return columns and rows of the table last logged under `key`. Raises TrackingError if there
    is none."""
    value = run.summary_metrics.get(key)
    if not _is_media(value) or value.get("_type") != "table-file":
        raise TrackingError(f"run {run.id!r}: no table was logged under {key!r}")
    table = json.loads(_file(run, value["path"]))
    return table["columns"], table["data"]


def check_names(artifact: wandb.Artifact, folder: Path) -> None:
    """Raise UnsafeName unless every file of the manifest would lie in `folder`."""
    for path in artifact.manifest.entries:
        safe_join(folder, path, f"artifact {artifact.name}")


def check_files(artifact: wandb.Artifact, folder: Path) -> None:
    """Compare each downloaded file with its MD5. Raises ArtifactCorrupt, naming the file."""
    for path, entry in artifact.manifest.entries.items():
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in read_chunks(folder / path):
            md5.update(chunk)
        got = base64.b64encode(md5.digest()).decode()
        if got != entry.digest:
            raise ArtifactCorrupt(
                f"{artifact.name}, file {path}: has MD5 {got}, should have {entry.digest}; "
                "empty W&B's cache (`wandb artifact cache cleanup 0GB`) and download again"
            )


class WandbGraph:
    """The project's graph, fetched step by step."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def producers(self, ref: str) -> list[str]:
        """See Graph. W&B knows only the first run that logged a version."""
        run = self._project.artifact(ref).logged_by()
        return [run.id] if run else []

    def consumers(self, ref: str) -> list[str]:
        """See Graph."""
        return [run.id for run in self._project.artifact(ref).used_by()]

    def inputs(self, run_id: str) -> list[str]:
        """See Graph."""
        return refs(self._project.run(run_id).used_artifacts())

    def outputs(self, run_id: str) -> list[str]:
        """See Graph."""
        return refs(self._project.run(run_id).logged_artifacts())

    def artifact_node(self, ref: str) -> LineageNode:
        """See Graph."""
        version = version_of(self._project.artifact(ref))
        return LineageNode(
            id=artifact_node_id(ref),
            kind="artifact",
            name=version.name,
            type=version.type,
            version=version.version,
            aliases=version.aliases,
        )

    def run_node(self, run_id: str) -> LineageNode:
        """See Graph."""
        run = self._project.run(run_id)
        return LineageNode(
            run_node_id(run_id),
            "run",
            run.name or run_id,
            job_type=run.job_type or "",
            state=state_of(run),
        )


def _is_media(value: Json) -> bool:
    return isinstance(value, dict) and "_type" in value


def _file(run: Any, path: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        found = run.file(path)
        place = safe_join(Path(folder), found.name, f"run {run.id}")  # untrusted: the server's
        found.download(root=folder).close()
        return place.read_bytes()
