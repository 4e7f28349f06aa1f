"""Calls that a thread of its own makes one after the other, so that nobody waits for W&B."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable

Call = Callable[[], None]


class Outbox:
    """Calls in their order. `failed` is given what a call raised, and the run that it was for."""

    def __init__(self, failed: Callable[[str, Exception], None]) -> None:
        self._failed = failed
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._moving: Counter[str] = Counter()

    def put(self, run_id: str, call: Call, moves: str | None = None) -> None:
        """Add a call. `moves`: the artifact whose aliases it moves."""

        def safely() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - the program goes on, and `sync` tells
                self._failed(run_id, error)
            finally:
                if moves is not None:
                    with self._lock:
                        self._moving[moves] -= 1

        with self._lock:
            if moves is not None:
                self._moving[moves] += 1
            self._calls.put(safely)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="to-wandb", daemon=True)
                self._thread.start()

    def moves(self, artifact: str) -> bool:
        """Whether a call that moves aliases of this artifact is still to be made."""
        with self._lock:
            return self._moving[artifact] > 0

    def drain(self, timeout_s: float) -> None:
        """Wait until all calls so far were made, or the time is up."""
        if self._thread is not None:
            done = threading.Event()
            self.put("", done.set)
            done.wait(timeout_s)

    def rest(self) -> None:
        """End the thread after the calls so far; the next call starts another."""
        self._calls.put(None)

    def _loop(self) -> None:
        while True:
            call = self._calls.get()
            if call is not None:
                call()
                continue
            with self._lock:
                if self._calls.empty():
                    self._thread = None
                    return
