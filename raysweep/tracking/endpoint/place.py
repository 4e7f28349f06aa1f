"""What the views of one project share: its store, and bytes that have come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from raysweep.tracking.endpoint.uploads import Received, Uploads, md5_of
from raysweep.tracking.programs import TABLES, table_key
from raysweep.tracking.store import Store


def _nothing(_: str) -> None:
    return None


@dataclass
class Place:
    """A project's store. `project` is its view and `run_of` makes that of a run: runs name versions
    and versions name runs, so both are reached from here."""

    name: str
    store: Store
    uploads: Uploads
    project: Any = None
    run_of: Callable[[str], Any] = _nothing
    received: dict[str, Received] = field(default_factory=dict)  # by MD5
    _md5s: dict[str, str] = field(default_factory=dict)  # by SHA-256
    _tables: dict[str, dict[str, Any]] = field(default_factory=dict)  # by run

    def keep(self, received: Received) -> None:
        """Remember bytes that have come: a client need not send them again."""
        self.received[received.md5] = received
        self._md5s[received.digest] = received.md5

    def keep_table(self, run_id: str, client_id: str, ref: str) -> None:
        """Note which version is the table that the run's rows name by this id."""
        if run_id not in self._tables:
            (record,) = self.store.runs(run_id=run_id)
            self._tables[run_id] = dict(record.summary.get(TABLES) or {})
        self._tables[run_id][table_key(client_id)] = ref
        self.store.update_run(run_id, {TABLES: dict(self._tables[run_id])})

    def md5(self, digest: str) -> str:
        """Return the MD5 of the blob with this SHA-256."""
        if digest not in self._md5s:
            self._md5s[digest] = md5_of(self.store, digest)
        return self._md5s[digest]
