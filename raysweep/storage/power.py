"""Limit what a power cut may lose: fsync in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PAUSE_S = 1.0
"""Seconds between two fsyncs: the most that a power cut may lose, which `resume` repeats."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class BackgroundSync:
    """A thread that calls `sync` some time after `wake`, once for all calls since the last one."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._due = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: OSError | None = None

    def wake(self) -> None:
        """Request a sync. Raises the OSError of an earlier sync."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        self._due.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal-sync", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Sync if one is due, and end the thread. Raises the OSError of a sync that `wake` has not
        raised."""
        self._closed.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the thread: Tune pickles objects that hold a journal."""
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
    """Return the boot id of this machine; None if the system has none."""
    with suppress(OSError):
        return _BOOT.read_text().strip()
    return None
