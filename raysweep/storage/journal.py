"""A sweep's journal: what its driver has decided and heard, a line an event.

`resume` rebuilds search, schedulers, budgets and progress by going through it again. Only the
driver writes, and only at the end of the file, so a killed driver leaves whole lines and perhaps a
part of one. The store and the trials' checkpoints are written before the line that tells of them:
they may be ahead of the journal, and are never behind it.

A power cut may take what was not synced. A thread syncs the store's log and then the journal, once
a second at the most, so that training waits for no disk. A file system may still have written a
line, and not what the line tells of: `resume` goes by what is there (see `recovery`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from raysweep.errors import UserError
from raysweep.storage.power import BackgroundSync
from raysweep.storage.stop import StorageLost
from raysweep.tracking.write_behind import sync, sync_folder


class Journal:
    """Writes the events, in the driver's process alone: `event` says what kind, `at` when, in
    seconds of the sweep's own time; the rest is the kind's."""

    def __init__(
        self,
        path: Path,
        elapsed_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
        store: Path | None = None,
    ) -> None:
        """`elapsed_s`: what the sweep has taken before now. `store`: the tracker's folder, whose
        log is synced before the journal. A torn last line is cut off."""
        self._path = path
        self._store = store
        self._disk = BackgroundSync(self.sync)
        self._clock = clock
        self._started = clock() - elapsed_s
        _cut_torn_line(path)

    @property
    def elapsed_s(self) -> float:
        """The sweep's own time: that of all processes which have driven it, by clocks that nobody
        sets."""
        return self._clock() - self._started

    def sync(self) -> None:
        """Return once the store's log, and then all events so far, are on the disk. Raises
        OSError."""
        if self._store is not None:
            # Not the database itself: SQLite's locks on it end when their process closes any copy
            # of the file. It syncs that by itself, when it writes the log back.
            for log in self._store.glob("*.db-wal"):
                sync(log)
            sync_folder(self._store)
            sync_folder(self._store.parent)
        sync(self._path)
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Sync what is not yet; nothing is written any more."""
        self._disk.close()

    def write(self, event: str, **fields: Any) -> None:
        """Add an event. Raises StorageLost where that cannot be done."""
        line = json.dumps({"event": event, "at": round(self.elapsed_s, 3), **fields})
        try:
            with self._path.open("ab") as file:
                file.write(line.encode() + b"\n")
            self._disk.wake()
        except OSError as error:
            _cut_torn_line(self._path)
            raise StorageLost(f"{self._path}: cannot be written ({error.strerror})") from error


def _cut_torn_line(path: Path) -> None:
    with suppress(OSError):  # none there, or not to be written, which the next event will tell
        text = path.read_bytes()
        whole = _whole_lines(text)
        if len(whole) < len(text):
            with path.open("r+b") as file:
                file.truncate(len(whole))


def _whole_lines(text: bytes) -> bytes:
    """Without a torn last line, and without what a power cut left: bytes that are NUL, in the place
    of those that were not written yet."""
    text = text.partition(b"\0")[0]
    return text[: text.rfind(b"\n") + 1]


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The events, oldest first, without a torn last line; none where there is no file.

    Raises UserError where a line is not one of raysweep's.
    """
    try:
        lines = _whole_lines(path.read_bytes()).split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [_event(path, number, line) for number, line in enumerate(lines, start=1)]


def _event(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(line)
        event["event"], event["at"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}, line {number}: is damaged ({error}); put back a copy of the file, "
            "or start a new sweep"
        ) from error
    return event
