"""Wait for locks that another process holds, and name the holder.

Trackio times out after 10 s, and so does SQLite here. A process that is stopped (Ctrl-Z, a
debugger) in the middle of a transaction may hold a lock for any time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from raysweep.errors import StoreBusy

T = TypeVar("T")
Tell = Callable[[str], None]

SQLITE_TIMEOUT_S = 10
"""Timeout of SQLite itself; Trackio's lock has the same."""

INTERRUPTED_S = 4
"""How long to wait for a lock after the user has interrupted the command."""

_AGAIN_S = 0.1
_SHOWN = 80


def patiently(
    attempt: Callable[[], T], files: Sequence[Path], tell: Tell, patience_s: float | None = None
) -> T:
    """Retry `attempt` while another process holds a lock on one of `files`; return its result.

    `tell` is called once with the holder. With `patience_s`, raises StoreBusy after that time.
    """
    end = None if patience_s is None else time.monotonic() + patience_s
    reported = False
    while True:
        try:
            return attempt()
        except (OSError, sqlite3.OperationalError) as error:
            if not is_busy(error):
                raise
            if end is not None and time.monotonic() > end:
                raise StoreBusy(
                    f"{files[0]}: locked by {holder_of(files)}; end that, then try again"
                ) from error
            if not reported:
                tell(f"{files[0]}: locked by {holder_of(files)}; waiting until it is released")
            reported = True
            time.sleep(_AGAIN_S)


def is_busy(error: Exception) -> bool:
    """Whether the error means that another process has the lock.

    SQLite and Trackio raise different errors; Trackio's is an OSError without a number.
    """
    if isinstance(error, OSError):
        return error.errno is None and "lock" in str(error)
    return "is locked" in str(error)  # Python 3.10 has no code of it


def holder_of(files: Sequence[Path]) -> str:
    """Describe the process that has a lock on one of these files; known for this Linux machine."""
    others = [pid for pid in holders(files) if pid != os.getpid()]
    return f"process {others[0]}{_command(others[0])}" if others else "another process"


def holders(files: Sequence[Path]) -> Iterator[int]:
    """Yield the processes that have a lock on one of these files, as far as this machine knows."""
    inodes = set()
    for path in files:
        with suppress(OSError):
            inodes.add(str(path.stat().st_ino))
    with suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()  # 1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF
            if "WRITE" in words and words[5].rpartition(":")[2] in inodes:
                yield int(words[4])


def _command(pid: int) -> str:
    """Describe the process's command and whether it is stopped; empty if that is unknown."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return ""
    text = "".join(each for each in command.decode(errors="replace").strip() if each.isprintable())
    stopped = ", which is stopped" if state in (b"T", b"t") else ""
    return f" ({text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}){stopped}"
