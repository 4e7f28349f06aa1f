"""What a power cut may take, and when: what was written and is not yet on the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PAUSE_S = 1.0
"""Seconds between two syncs: what a power cut takes at the most, and is done again."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class BackgroundSync:
    """A thread that calls `sync` some time after `wake`, once for all that has come meanwhile."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._due = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: OSError | None = None

    def wake(self) -> None:
        """There is something to sync. Raises the OSError with which the disk refused it before."""
        if self._fault is not None:
            raise self._fault
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Sync what is due, and end the thread."""
        self._closed.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune saves whoever has a journal; a copy syncs nothing that it is not woken for."""
        return BackgroundSync, (self._sync,)

    def _run(self) -> None:
        while self._due.is_set() or not self._closed.is_set():
            self._due.wait()
            self._due.clear()
            try:
                self._sync()
            except OSError as error:
                self._fault = error
            self._closed.wait(PAUSE_S)


def boot() -> str | None:
    """What tells this start of the machine from every other; None where the system does not say."""
    with suppress(OSError):
        return _BOOT.read_text().strip()
    return None
