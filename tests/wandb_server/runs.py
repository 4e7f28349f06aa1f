"""Runs as the server keeps them; a field of the GraphQL type is an attribute or method here."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wandb_server.blobs import Blob, BlobStore
from wandb_server.paging import Connection, opaque, page

if TYPE_CHECKING:
    from wandb_server.artifacts import Artifact
    from wandb_server.projects import Project, User

HISTORY, EVENTS = "wandb-history.jsonl", "wandb-events.jsonl"
SUMMARY, CONSOLE = "wandb-summary.json", "output.log"


@dataclass
class Run:
    """A run. `streams` holds the lines of each file that came through the file stream."""

    project: Project
    name: str
    number: int
    created_at: str
    attributes: dict[str, Any] = field(default_factory=dict)
    state: str = "running"
    heartbeat_at: str = ""
    exit_code: int | None = None
    config: str = "{}"
    summary_metrics: str = "{}"
    streams: dict[str, list[str]] = field(default_factory=dict)
    uploads: dict[str, RunFile] = field(default_factory=dict)
    inputs: list[Artifact] = field(default_factory=list)
    outputs: list[Artifact] = field(default_factory=list)
    sweep_name: str | None = None

    commit = system_metrics = None
    stopped = read_only = False

    @property
    def id(self) -> str:
        return opaque(f"Run:v1:{self.name}:{self.project.name}:{self.project.entity.name}")

    @property
    def project_id(self) -> int:
        return self.project.number

    @property
    def user(self) -> User:
        return self.project.owner

    @property
    def display_name(self) -> str:
        return self.attributes.get("display_name") or self.name

    @property
    def description(self) -> str | None:
        return self.attributes.get("description")

    @property
    def notes(self) -> str | None:
        return self.attributes.get("notes")

    @property
    def tags(self) -> list[str]:
        return self.attributes.get("tags") or []

    @property
    def group(self) -> str | None:
        return self.attributes.get("group_name")

    @property
    def job_type(self) -> str | None:
        return self.attributes.get("job_type")

    def wandb_config(self, keys: list[str]) -> str:
        """The named parts of the client's own section of the config."""
        own = json.loads(self.config).get("_wandb", {}).get("value", {})
        return json.dumps({key: own[key] for key in keys if key in own})

    # ---- history ----

    def lines(self, name: str) -> list[str]:
        """The lines of a streamed file."""
        return self.streams.get(name, [])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The history, parsed."""
        return [json.loads(line) for line in self.lines(HISTORY)]

    @property
    def history_line_count(self) -> int:
        return len(self.lines(HISTORY))

    @property
    def events_line_count(self) -> int:
        return len(self.lines(EVENTS))

    @property
    def log_line_count(self) -> int:
        return len(self.lines(CONSOLE))

    @property
    def history_tail(self) -> str:
        return json.dumps(self.lines(HISTORY)[-1:])

    @property
    def events_tail(self) -> str:
        return json.dumps(self.lines(EVENTS)[-1:])

    @property
    def history_keys(self) -> dict[str, Any] | None:
        rows = self.rows
        if not rows:
            return None
        keys = {key: sum(key in row for row in rows) for row in rows for key in row}
        counts = {key: {"typeCounts": [{"type": "any", "count": n}]} for key, n in keys.items()}
        return {"keys": counts, "sets": [], "lastStep": max(row["_step"] for row in rows)}

    def history(
        self,
        min_step: int | None = None,
        max_step: int | None = None,
        samples: int | None = None,
    ) -> list[str]:
        """Lines with min_step <= step < max_step, at most `samples`, by step."""
        found = [
            row
            for row in sorted(self.rows, key=lambda row: row["_step"])
            if (min_step is None or row["_step"] >= min_step)
            and (max_step is None or row["_step"] < max_step)
        ]
        return [json.dumps(row) for row in found[:samples]]

    def sampled_history(self, specs: list[str]) -> list[list[dict[str, Any]]]:
        """For each spec, the rows that have all of its keys; nothing is left out."""
        wanted = [json.loads(spec)["keys"] for spec in specs]
        return [
            [{key: row[key] for key in keys} for row in self.rows if all(k in row for k in keys)]
            for keys in wanted
        ]

    def parquet_history(self, live_keys: list[str]) -> Mapping[str, Any]:
        """No export to parquet ever happens here, so that all rows are live."""
        return {"parquet_urls": [], "live_data": []}

    # ---- files and artifacts ----

    @property
    def file_count(self) -> int:
        return len(self.uploads)

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
        pattern: str | None = None,
    ) -> Connection:
        """The uploaded files; `pattern` is SQL's LIKE."""
        files = [file for file in self.uploads.values() if not names or file.name in names]
        if pattern:
            glob = pattern.replace("%", "*").replace("_", "?")
            files = [file for file in files if fnmatch.fnmatchcase(file.name, glob)]
        return page(files, first, after)

    def input_artifacts(self, after: str | None = None, first: int | None = None) -> Connection:
        """What the run used."""
        return page(self.inputs, first, after)

    def output_artifacts(self, after: str | None = None, first: int | None = None) -> Connection:
        """What the run logged."""
        return page(self.outputs, first, after)


@dataclass(frozen=True)
class RunFile:
    """A file that was uploaded for a run, or is stored with an artifact version."""

    id: str
    name: str
    blob: Blob
    store: BlobStore
    updated_at: str

    mimetype = storage_path = None

    @property
    def display_name(self) -> str:
        return self.name

    @property
    def size_bytes(self) -> int:
        return self.blob.size

    @property
    def md5(self) -> str:
        return self.blob.md5

    @property
    def digest(self) -> str:
        return self.blob.md5

    @property
    def direct_url(self) -> str:
        return self.store.download_url(self.blob, self.name)

    def url(self, upload: bool | None = None) -> str:
        """Where to GET it."""
        assert not upload, "upload URLs come from createRunFiles"
        return self.direct_url
