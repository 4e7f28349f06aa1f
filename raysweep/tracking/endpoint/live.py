"""A run whose program talks to this endpoint: what it has said so far, and what the store has."""

from __future__ import annotations

import json
import secrets
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from raysweep.tracking.endpoint.streamed import Streamed
from raysweep.tracking.metadata import number
from raysweep.tracking.port import STALE_ERRORS, ArtifactFile, Json, RunSpec, RunState
from raysweep.tracking.programs import NESTED, SHOWN
from raysweep.tracking.store import ClientMedia, Row, Store

HISTORY, EVENTS = "wandb-history.jsonl", "wandb-events.jsonl"
SUMMARY, CONSOLE = "wandb-summary.json", "output.log"
CLIENTS_OWN = "_wandb"
"""The client's section of a config: its version and the like. It is no setting of the program."""

_ROWS_AT_ONCE = 500
"""How many rows the store is given at once: a client may send ten thousand."""

_OF_SHOWN = ("m", "visualize")
"""Parts of that section by which W&B draws the run: its metrics' definitions, and its charts."""

Heard = Callable[[str, Mapping[str, Json]], None]
"""Is called with a run's id and each row of its history."""


@dataclass
class LiveRun:
    """One run. `fixed`: group and job type are the sweep's, whatever the program says of them."""

    store: Store
    spec: RunSpec
    fixed: bool = False
    state: RunState = "running"
    exit_code: int | None = None
    summary: dict[str, Json] = field(default_factory=dict)
    clients_own: dict[str, Json] = field(default_factory=dict)
    streamed: dict[str, Streamed] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    files: dict[str, ArtifactFile] = field(default_factory=dict)
    stop_requested: threading.Event = field(default_factory=threading.Event)

    def describe(self, said: Mapping[str, Any]) -> None:
        """Take over what `upsertBucket` says of the run: only what it names changes."""
        spec, attributes = self.spec, dict(self.spec.attributes)
        if (text := said.get("config")) is not None:
            config = json.loads(text)
            self.clients_own = config.pop(CLIENTS_OWN, {}).get("value") or {}
            attributes[SHOWN] = {k: self.clients_own[k] for k in _OF_SHOWN if k in self.clients_own}
            spec = replace(spec, config={key: _value(entry) for key, entry in config.items()})
        if said.get("display_name"):
            spec = replace(spec, name=said["display_name"])
        if said.get("tags") is not None:
            spec = replace(spec, tags=tuple(said["tags"]))
        for key in ("group_name", "job_type"):
            if said.get(key) and self.fixed:
                attributes[key] = said[key]
        if self.fixed:
            attributes.setdefault("group_name", "")  # the sweep's is not its program's
        else:
            group, job_type = said.get("group_name"), said.get("job_type")
            spec = replace(spec, group=group or spec.group, job_type=job_type or spec.job_type)
        for key in ("notes", "host", "job_program", "job_repo", "commit", "sweep", "description"):
            if said.get(key) is not None:
                attributes[key] = said[key]
        spec = replace(spec, attributes=attributes)
        if spec != self.spec:
            self.spec = spec
            self.store.describe_run(spec)
        if (text := said.get("summary_metrics")) is not None:
            self.set_summary(json.loads(text))

    def set_summary(self, summary: Mapping[str, Json]) -> None:
        """Replace the run's summary."""
        self.summary = dict(summary)
        self.store.update_run(self.spec.id, self.summary)

    def add_rows(self, offset: int, lines: list[str], heard: Heard) -> None:
        """Log rows of history. Rows sent again, after an answer that was lost, have their ids."""
        new = max(offset, self.lines.get(HISTORY, 0))
        for first in range(new, offset + len(lines), _ROWS_AT_ONCE):
            self._add_rows(first, lines[first - offset :][:_ROWS_AT_ONCE], heard)

    def _add_rows(self, first: int, lines: list[str], heard: Heard) -> None:
        rows = []
        for at, line in enumerate(lines, first):
            values = json.loads(line)
            rows.append(row_of(f"{self.spec.id}:wandb:{at}", values))
            heard(self.spec.id, flat(values))
        self.store.log_rows(self.spec.id, rows)
        self.lines[HISTORY] = first + len(lines)

    def add_lines(self, name: str, offset: int, lines: list[str]) -> None:
        """Take lines of the console or of the system's metrics, which become a file at the end. Of
        a run that prints for days the beginning and the end are kept."""
        kept = self.streamed.setdefault(name, Streamed())
        kept.put(offset, lines if name == CONSOLE else [f"{line.rstrip()}\n" for line in lines])
        self.lines[name] = len(kept)

    def add_file(self, file: ArtifactFile) -> None:
        """Keep a file of the run, whose bytes are staged."""
        self.files[file.path] = file
        self.store.add_files(self.spec.id, [file])

    def end(self, exit_code: int) -> None:
        """Close the run as its program did."""
        self.exit_code = exit_code
        self.state = "finished" if exit_code == 0 else "failed"
        error = None if exit_code == 0 else f"the run ended with exit code {exit_code}"
        self.store.update_run(self.spec.id, {}, self.state, error)
        self.store.flush()

    def crash(self) -> None:
        """Close the run, whose program is over without having said so."""
        self.exit_code, self.state = 1, "crashed"
        self.store.update_run(self.spec.id, {}, "crashed", STALE_ERRORS["crashed"])


def new_run_id() -> str:
    """Make an id as the client makes them: 8 letters and digits."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))


def _value(entry: Any) -> Json:
    """Return the value of a config's entry, which the client wraps: `{"value": …, "desc": …}`."""
    return entry["value"] if isinstance(entry, dict) and "value" in entry else entry


def row_of(row_id: str, values: Mapping[str, Any]) -> Row:
    """Convert a line of the client's history."""
    metrics: dict[str, Json] = {}
    media: dict[str, Any] = {}
    for key, value in flat(values).items():
        if isinstance(value, dict):
            media[key] = ClientMedia(value)
        else:
            metrics[key] = value
    if nested := [path for path in _paths(values) if len(path) > 1]:
        metrics[NESTED] = json.dumps(nested)
    return Row(row_id, int(metrics.pop("_step", 0)), metrics, media)


def _paths(values: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the way to each value through nested keys."""
    for key, value in values.items():
        if isinstance(value, dict) and "_type" not in value:
            yield from ([key, *rest] for rest in _paths(value))
        else:
            yield [key]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Json]:
    """Write nested keys with dots, as W&B shows them. Media, which have a `_type`, stay whole."""
    out: dict[str, Json] = {}
    for key, value in values.items():
        if isinstance(value, dict) and "_type" not in value:
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = number(value)
    return out
