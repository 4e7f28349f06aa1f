"""A run as the client asks for it, from the store and from what its program has said since."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raysweep.tracking.endpoint.artifacts import find
from raysweep.tracking.endpoint.files import FileView
from raysweep.tracking.endpoint.live import CONSOLE, EVENTS, HISTORY, LiveRun
from raysweep.tracking.endpoint.paging import Connection, opaque, page
from raysweep.tracking.endpoint.place import Place
from raysweep.tracking.metadata import plain
from raysweep.tracking.port import Json, RunRecord
from raysweep.tracking.programs import NESTED, TABLES
from raysweep.tracking.store import ClientMedia

_STATES = {"interrupted": "crashed"}


@dataclass(frozen=True)
class RunView:
    """A run. `live`: what its program has said here; None where it talks to nobody here. `called`:
    its id as its program has it, where that is another one than the store's."""

    place: Place
    record: RunRecord
    live: LiveRun | None
    called: str | None = None

    graphql_type = "Run"
    read_only = False
    sweep = None

    @property
    def id(self) -> str:
        return opaque("run", self.place.name, self.record.id)

    @property
    def project(self) -> Any:
        return self.place.project

    @property
    def project_id(self) -> int:
        return 1

    @property
    def internal_id(self) -> str:
        return opaque("run-internal", self.record.id)

    @property
    def user(self) -> Any:
        return self.place.project.owner

    @property
    def name(self) -> str:
        return self.called or self.record.id

    @property
    def display_name(self) -> str:
        return self.record.name

    @property
    def state(self) -> str:
        return _STATES.get(self.record.state, self.record.state)

    @property
    def stopped(self) -> bool:
        return self.live is not None and self.live.stop_requested.is_set()

    @property
    def should_stop(self) -> bool:
        return self.stopped

    @property
    def running(self) -> bool:
        return self.record.state == "running"

    @property
    def failed(self) -> bool:
        return self.record.state == "failed"

    @property
    def exitcode(self) -> int | None:
        return self.live.exit_code if self.live else None

    @property
    def created_at(self) -> str:
        return f"{self.record.created[:19]}Z" if self.record.created else "1970-01-01T00:00:00Z"

    @property
    def updated_at(self) -> str:
        return self.created_at

    @property
    def heartbeat_at(self) -> str:
        return self.created_at

    @property
    def tags(self) -> list[str]:
        return list(self.record.tags)

    @property
    def group(self) -> Json:
        return self.record.attributes.get("group_name") or self.record.group or None

    @property
    def job_type(self) -> Json:
        return self.record.attributes.get("job_type") or self.record.job_type or None

    @property
    def notes(self) -> Json:
        return self.record.attributes.get("notes")

    @property
    def description(self) -> Json:
        return self.record.attributes.get("description")

    @property
    def host(self) -> Json:
        return self.record.attributes.get("host")

    @property
    def commit(self) -> Json:
        return self.record.attributes.get("commit")

    @property
    def sweep_name(self) -> Json:
        return self.record.attributes.get("sweep")

    @property
    def config(self) -> str:
        own = {"_wandb": {"value": self.live.clients_own, "desc": None}} if self.live else {}
        settings = {k: {"value": v, "desc": None} for k, v in plain(self.record.config).items()}
        return json.dumps(own | settings)

    def wandb_config(self, keys: list[str]) -> str:
        """Return the named parts of the client's own section of the config. The client resumes only
        a run that has the part `t`: one that its program has begun."""
        begun = self.live is None and (self.record.state != "running" or self.history_line_count)
        own = self.live.clients_own if self.live else {"t": {}} if begun else {}
        return json.dumps({key: own[key] for key in keys if key in own})

    @property
    def summary_metrics(self) -> str:
        own = {key: value for key, value in self.record.summary.items() if key != TABLES}
        return json.dumps(plain(own))

    @property
    def system_metrics(self) -> str:
        return "{}"

    # ---- history ----

    def _rows(self) -> list[dict[str, Json]]:
        """Return one row a step, with `_step`, the later value of a key winning."""
        rows: dict[int, dict[str, Json]] = {}
        for row in self.place.store.rows(self.record.id):
            media = {k: v.value for k, v in row.media.items() if isinstance(v, ClientMedia)}
            values = plain({**row.metrics, **media})
            values.pop(NESTED, None)
            rows.setdefault(row.step, {"_step": row.step}).update(values)
        return [rows[step] for step in sorted(rows)]

    @property
    def history_line_count(self) -> int:
        if self.live is not None and HISTORY in self.live.lines:
            return self.live.lines[HISTORY]
        return 1 + max((_line(row.id) for row in self.place.store.rows(self.record.id)), default=-1)

    @property
    def events_line_count(self) -> int:
        return self.live.lines.get(EVENTS, 0) if self.live else 0

    @property
    def log_line_count(self) -> int:
        return self.live.lines.get(CONSOLE, 0) if self.live else 0

    @property
    def history_tail(self) -> str:
        return json.dumps([json.dumps(row) for row in self._rows()[-1:]])

    @property
    def events_tail(self) -> str:
        return "[]"

    @property
    def history_keys(self) -> dict[str, Any] | None:
        rows = self._rows()
        if not rows:
            return None
        counts: dict[str, int] = {}
        for row in rows:
            for key in row:
                counts[key] = counts.get(key, 0) + 1
        keys = {k: {"typeCounts": [{"type": "any", "count": n}]} for k, n in counts.items()}
        return {"keys": keys, "sets": [], "lastStep": rows[-1]["_step"]}

    def history(
        self, min_step: int | None = None, max_step: int | None = None, samples: int | None = None
    ) -> list[str]:
        """Return rows with min_step <= step < max_step, at most `samples`, by step."""
        found = [
            row
            for row in self._rows()
            if (min_step is None or row["_step"] >= int(min_step))
            and (max_step is None or row["_step"] < int(max_step))
        ]
        return [json.dumps(row) for row in found[:samples]]

    def sampled_history(self, specs: list[str] | str) -> list[list[dict[str, Json]]]:
        """Return, for each spec, the rows that have all of its keys; none is left out."""
        rows = self._rows()
        specs = [specs] if isinstance(specs, str) else specs
        wanted = [json.loads(spec).get("keys") for spec in specs]
        return [
            [
                row if keys is None else {key: row[key] for key in keys}
                for row in rows
                if keys is None or all(key in row for key in keys)
            ]
            for keys in wanted
        ]

    def parquet_history(self, live_keys: list[str] | None = None) -> Mapping[str, Any]:
        """Return nothing: there are no exports to parquet, so that all rows are asked for live."""
        return {"parquet_urls": [], "live_data": []}

    # ---- files and artifacts ----

    @property
    def file_count(self) -> int:
        return len(self.place.store.files(self.record.id))

    def files(
        self,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
        pattern: str | None = None,
    ) -> Connection:
        """Return the run's files; `pattern` is SQL's LIKE."""
        files = [f for f in self.place.store.files(self.record.id) if not names or f.path in names]
        if pattern:
            glob = pattern.replace("%", "*").replace("_", "?")
            files = [file for file in files if fnmatch.fnmatchcase(file.path, glob)]
        md5 = self.place.md5
        return page([FileView(self.place, f, md5(f.digest)) for f in files], first, after)

    def input_artifacts(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return what the run used."""
        return self._versions(self.record.used, first, after)

    def output_artifacts(self, after: str | None = None, first: int | None = None) -> Connection:
        """Return what the run logged."""
        return self._versions(self.record.logged, first, after)

    def _versions(self, refs: tuple[str, ...], first: int | None, after: str | None) -> Connection:
        found = [version for ref in refs if (version := find(self.place, ref))]
        return page(found, first, after)


def _line(row_id: str) -> int:
    """Return the number of the line of history that a row was, from 0; -1 for another's row."""
    number = row_id.rpartition(":wandb:")[2]
    return int(number) if number.isdigit() else -1
