"""Write a run and its media into Trackio's rows, and read them back.

Trackio stores only a config per run, so the whole run goes into the config: exactly, as one JSON
text under a hidden key, and again flat, for people, so that the dashboard shows job type and state
and groups the runs by any hyperparameter.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysweep.paths import safe_join
from raysweep.tracking.metadata import plain
from raysweep.tracking.port import Json, RunSpec, RunState
from raysweep.tracking.programs import TABLES
from raysweep.tracking.store import ClientMedia, Media, Pictures, Table

_EXACT = "_raysweep"  # keys with an underscore stay out of the dashboard's menus
_TABLE = {"_type": "trackio.table"}
_CLIENT_MEDIA = "raysweep.client_media"


@dataclass(frozen=True)
class RunEntry:
    """A run without its artifacts. `created` is an ISO time in UTC."""

    name: str
    job_type: str
    group: str
    config: Mapping[str, Json]
    tags: tuple[str, ...]
    state: RunState
    summary: Mapping[str, Json]
    error: str | None
    created: str
    url: str | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def started(cls, spec: RunSpec, before: RunEntry | None, now: str) -> RunEntry:
        """Make the entry of a run that starts or restarts: name, summary and `created` stay.

        Its `url` is removed: the server no longer has the complete run.
        """
        return cls(
            name=before.name if before else spec.name,
            job_type=spec.job_type,
            group=spec.group,
            config=plain(spec.config, "config", strict=False),
            tags=spec.tags,
            state="running",
            summary=before.summary if before else {},
            error=None,
            created=before.created if before else now,
            attributes=plain(spec.attributes, "attributes", strict=False),
        )

    def described(self, spec: RunSpec) -> RunEntry:
        """Return the run with what `spec` says of it."""
        return dataclasses.replace(
            self,
            name=spec.name,
            job_type=spec.job_type,
            group=spec.group,
            config=plain(spec.config, "config", strict=False),
            tags=spec.tags,
            attributes=plain(spec.attributes, "attributes", strict=False),
        )

    def summarized(self, values: Mapping[str, Json]) -> RunEntry:
        """Return the run with keys of its summary set."""
        summary = {**self.summary, **plain(values, "summary", strict=False)}
        return dataclasses.replace(self, summary=summary)

    def to_config(self) -> str:
        """Serialize for Trackio's `config` column."""
        summary = {key: value for key, value in self.summary.items() if key != TABLES}
        shown = {
            **_flat("", plain(self.config)),
            **_flat("summary.", plain(summary)),
            "job_type": self.job_type,
            "state": self.state,
            "group": self.group,
            "tags": ", ".join(self.tags),
            **({"error": self.error} if self.error else {}),
            **({"url": self.url} if self.url else {}),
        }
        trackios_own = {"_Username": None, "_Created": self.created, "_Group": self.group}
        exact = json.dumps(dataclasses.asdict(self))
        return json.dumps(shown | trackios_own | {_EXACT: exact})

    @classmethod
    def from_config(cls, config: str | bytes) -> RunEntry | None:
        """Read `to_config` back; None for a run that another program logged into the project."""
        exact = json.loads(config).get(_EXACT)
        if exact is None:
            return None
        fields = json.loads(exact)
        return cls(**(fields | {"tags": tuple(fields["tags"])}))


def _flat(prefix: str, values: Mapping[str, Json]) -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(f"{prefix}{key}.", value)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def table_payload(table: Table) -> dict[str, Any]:
    """Encode a table for Trackio's `metrics` column: a list of dicts to show, and exact data."""
    shown = [dict(zip(table.columns, plain(list(row)), strict=True)) for row in table.rows]
    exact = json.dumps(plain([table.columns, table.rows], "table", strict=False))
    return {**_TABLE, "_value": shown, _EXACT: exact}


def pictures_payload(pictures: Pictures, media: Path, folder: str) -> dict[str, Any]:
    """Encode pictures for the `metrics` column, as a table of pictures, which Trackio can show.

    Writes each PNG into `media / folder` under its digest, so that the call is idempotent.
    """
    safe_join(media, folder).mkdir(parents=True, exist_ok=True)
    shown = []
    for png, caption in pictures.items:
        path = f"{folder}/{hashlib.sha256(png).hexdigest()[:32]}.png"
        if not (media / path).exists():
            target = safe_join(media, path)
            partial = target.with_name(f".{target.name}.partial")
            partial.unlink(missing_ok=True)
            with partial.open("xb") as file:  # x: never follow a link that is there already
                file.write(png)
            partial.replace(media / path)
        cell = {"_type": "trackio.image", "file_path": path, "caption": caption}
        shown.append({"image": cell, "caption": caption})
    return {**_TABLE, "_value": shown}


def client_media_payload(media: ClientMedia) -> dict[str, Any]:
    """Encode media of W&B's client for the `metrics` column; Trackio shows nothing of it."""
    value = plain(media.value, "media", strict=False)
    return {"_type": _CLIENT_MEDIA, _EXACT: json.dumps(value)}


def read_media(payload: Mapping[str, Any], media: Path) -> Media:
    """Read a payload of this module back. Raises UnsafeName for a file elsewhere."""
    if payload.get("_type") == _CLIENT_MEDIA:
        return ClientMedia(json.loads(payload[_EXACT]))
    if _EXACT in payload:
        columns, rows = json.loads(payload[_EXACT])
        return Table(tuple(columns), tuple(tuple(row) for row in rows))
    cells = [row["image"] for row in payload["_value"]]
    paths = [safe_join(media, cell["file_path"]) for cell in cells]
    captions = [cell["caption"] for cell in cells]
    return Pictures(tuple((p.read_bytes(), c) for p, c in zip(paths, captions, strict=True)))


def is_media(value: Json) -> bool:
    """Whether a value in the `metrics` column is a table or the like, not a number."""
    return isinstance(value, dict)
