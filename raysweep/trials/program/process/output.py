"""What a program prints: passed on to the worker's own streams, the end of it kept in memory."""

from __future__ import annotations

import os
import threading
from typing import IO

TAIL_BYTES = 64 * 1024
"""How much of stderr is kept, to say which exception ended the program."""

_CHUNK_BYTES = 64 * 1024


class Relay:
    """Copies a pipe to a file descriptor of this process, from a thread, until the pipe ends."""

    def __init__(self, pipe: IO[bytes], to: int) -> None:
        self._pipe = pipe
        self._to = to
        self._tail = b""
        self._thread = threading.Thread(target=self._copy, name="program-output", daemon=True)
        self._thread.start()

    def tail(self) -> str:
        """Return the last TAIL_BYTES that came."""
        return self._tail.decode(errors="replace")

    def finish(self, timeout_s: float) -> None:
        """Wait until all was copied: the program and whatever has its streams have ended."""
        self._thread.join(timeout_s)

    def _copy(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), _CHUNK_BYTES):
                self._tail = (self._tail + chunk)[-TAIL_BYTES:]
                self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        """Pass it on. The worker's stream may be closed; the program must not block then."""
        while chunk:
            try:
                chunk = chunk[os.write(self._to, chunk) :]
            except OSError:
                return
