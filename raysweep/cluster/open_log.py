"""A run's log, open in the process that works on the run. Knows no Ray."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from raysweep.storage.log_file import LogFile, cut_out, write_all

TURN_S = 0.5
"""Seconds between two looks of a log's thread."""

SHIPPED_BYTES = 500_000
"""The most that a run ships in a turn: 1 MB/s."""

_UNREAD_BYTES = 1_000_000
"""The most that `unread` returns at once."""

_SKIPPED = b"[raysweep: some lines are left out here: they came faster than 1 MB/s]\n"


class OpenLog:
    """See `logs.Log`. A thread looks after its length, and ships what is new, every TURN_S."""

    def __init__(self, file: LogFile, ship: Callable[[bytes], bool] | None) -> None:
        """`ship`: sends on what is in the file, which is this process's own, and returns whether
        it arrived."""
        self._log, self._most, self._ship = file, file.most, ship
        self._file = file.open()
        began = os.fstat(self._file).st_size
        self._sent = self._read = self._echoed = began
        self._flush: Callable[[], None] = lambda: None
        self._echo: int | None = None
        self._turn = threading.RLock()
        self._ended = threading.Event()
        if ship is not None:
            fcntl.flock(self._file, fcntl.LOCK_SH)
        elif began:
            where = f"{os.getpid()} on {socket.gethostname()}"
            self.write(f"[raysweep: a new process, {where}, writes from here on]\n")
        self._thread = threading.Thread(target=self._work, name="raysweep-log", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """See `logs.Log`."""
        return self._file

    def write(self, text: str) -> None:
        """See `logs.Log`."""
        with suppress(OSError):
            write_all(self._file, text.encode("utf-8", "backslashreplace"))

    def unread(self) -> str:
        """See `logs.Log`."""
        self._flush()
        size = os.fstat(self._file).st_size
        start, self._read = max(self._read, size - _UNREAD_BYTES), size
        return os.pread(self._file, max(0, size - start), start).decode("utf-8", "replace")

    def follow(self, flush: Callable[[], None], echo: int | None) -> None:
        """From now on call `flush` every turn, and copy what is written to `echo`, if given."""
        self._flush, self._echo = flush, echo

    def turn(self) -> None:
        """Flush, pass on and ship what is new, and shorten the file."""
        with suppress(OSError), self._turn:
            self._flush()
            if self._echo is not None:
                self._pass_on(self._echo)
            if self._ship is None:
                before = os.fstat(self._file).st_size
                self._log.shorten(self._file)
                self._moved(before - os.fstat(self._file).st_size)
            else:
                self._ship_some()

    def close(self) -> None:
        """Ship the rest, and end the thread."""
        self._ended.set()
        self._thread.join()
        self.turn()
        with suppress(OSError):
            while self._ship is not None and self._ship_some():
                pass
            if self._ship is not None and self._sent >= os.fstat(self._file).st_size:
                self._log.path.unlink(missing_ok=True)
                sent_file(self._log.path).unlink(missing_ok=True)
        os.close(self._file)

    def _work(self) -> None:
        while not self._ended.wait(TURN_S):
            self.turn()

    def _pass_on(self, echo: int) -> None:
        size = os.fstat(self._file).st_size
        while self._echoed < size:
            data = os.pread(self._file, min(1 << 20, size - self._echoed), self._echoed)
            write_all(echo, data)
            self._echoed += len(data)

    def _ship_some(self) -> bool:
        """Ship the next bytes; return whether there were any, and they arrived."""
        assert self._ship is not None
        size = os.fstat(self._file).st_size
        if size - self._sent > self._most:  # written faster than it can be shipped
            cut_out(self._file, self._sent, size - self._most // 2, _SKIPPED)
        elif self._sent > self._most:  # its disk is to be spared what has arrived
            cut_out(self._file, 0, self._sent)
            self._moved(self._sent)
        data = os.pread(self._file, SHIPPED_BYTES, self._sent)
        if not data:
            return False
        if not self._ship(data):  # again, in the next turn
            return False
        self._sent += len(data)
        self._note_sent()
        return True

    def _note_sent(self) -> None:
        """Note how much was sent, for the task that collects the rest after a death."""
        sent_file(self._log.path).write_text(str(self._sent))

    def _moved(self, by: int) -> None:
        """`by` bytes before the end are gone."""
        if by > 0:
            self._sent, self._read = max(0, self._sent - by), max(0, self._read - by)
            self._echoed = max(0, self._echoed - by)


def sent_file(path: Path) -> Path:
    """Return where it is noted how much of a spooled file has arrived."""
    return path.with_name(f"{path.name}.sent")
