"""Locks that another process holds: waited for, and said who it is, since a lock is no full disk.

Trackio gives up after 10 s, and so does SQLite here. A process that is stopped (Ctrl-Z, a debugger)
in the middle of a transaction holds a lock for as long as its user likes.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from raysweep.errors import StoreBusy

T = TypeVar("T")
Tell = Callable[[str], None]

SQLITE_TIMEOUT_S = 10
"""For how long SQLite itself tries; Trackio's lock takes as long."""

INTERRUPTED_S = 4
"""For how long a lock is waited for where the user waits for the end."""

_AGAIN_S = 0.1
_SHOWN = 80


def to_stderr(line: str) -> None:
    """Tell whoever runs the command."""
    print(f"raysweep: {line}", file=sys.stderr, flush=True)


def patiently(
    attempt: Callable[[], T], files: Sequence[Path], tell: Tell, patience_s: float | None = None
) -> T:
    """What `attempt` returns, tried again for as long as another process holds one of `files`.

    `tell` is told once who it is. With `patience_s`, StoreBusy is raised after that.
    """
    end = None if patience_s is None else time.monotonic() + patience_s
    told = False
    while True:
        try:
            return attempt()
        except (OSError, sqlite3.OperationalError) as error:
            if not is_busy(error):
                raise
            if end is not None and time.monotonic() > end:
                raise StoreBusy(
                    f"{files[0]}: held by {holder_of(files)}; end that, then try again"
                ) from error
            if not told:
                tell(f"{files[0]}: held by {holder_of(files)}; waiting until it lets go")
            told = True
            time.sleep(_AGAIN_S)


def is_busy(error: Exception) -> bool:
    """Whether somebody else has the lock, by what Trackio (an OSError of its own, which therefore
    has no number) and SQLite raise."""
    if isinstance(error, OSError):
        return error.errno is None and "lock" in str(error)
    return "is locked" in str(error)  # Python 3.10 has no code of it


def holder_of(files: Sequence[Path]) -> str:
    """The process that has a lock on one of these files, in words; Linux knows of those here."""
    others = [pid for pid in _holders(files) if pid != os.getpid()]
    return f"process {others[0]}{_command(others[0])}" if others else "another process"


def _holders(files: Sequence[Path]) -> Iterator[int]:
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
    """What the process runs, and whether it is stopped; empty where that is not to be seen."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return ""
    text = "".join(each for each in command.decode(errors="replace").strip() if each.isprintable())
    stopped = ", which is stopped" if state in (b"T", b"t") else ""
    return f" ({text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}){stopped}"
