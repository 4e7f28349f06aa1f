"""Names of processes that outlive them."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path


def process_of(pid: int) -> str:
    """Return what names this process of this machine for good: a number is used again."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    return f"{socket.gethostname()}:{pid}:{stat.rpartition(')')[2].split()[19]}"


def is_alive(process: str) -> bool:
    """Whether the process of that name is there. One of another machine is not: its storage is
    leased to one machine at a time."""
    with suppress(OSError, ValueError, IndexError):
        return process_of(int(process.split(":")[1])) == process
    return False
