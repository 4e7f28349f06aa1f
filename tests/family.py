"""Which processes a command has started, and whether they are gone.

By the tree of parents, not by the environment or a title: a Ray process overwrites the first with
the second. A process is its id and its start, since the kernel gives an id again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

GONE_S = 15
"""Ray's processes may outlive the command by this long (seen: 5.7 s)."""


@dataclass(frozen=True)
class Process:
    """A process of this machine. `started` is in clock ticks since its boot."""

    pid: int
    parent: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process with this id, or None where it has ended."""
        return _read(pid)

    @property
    def title(self) -> str:
        """What it calls itself now; empty where it has ended."""
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return words.replace(b"\0", b" ").decode(errors="replace").strip()

    @property
    def alive(self) -> bool:
        """Whether it runs still; a zombie only waits to be counted."""
        now = _read(self.pid)
        return now is not None and now.started == self.started


def family(root: int) -> set[Process]:
    """`root` and all that descends from it now."""
    everyone = [_read(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")]
    found = {process for process in everyone if process and process.pid == root}
    while True:
        pids = {process.pid for process in found}
        more = {process for process in everyone if process and process.parent in pids} - found
        if not more:
            return found
        found |= more


def in_folder(folder: Path) -> set[Process]:
    """Those that work in `folder`: what is left of a command that was started there."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").readlink() == folder
        except OSError:  # it has ended meanwhile, or is another user's
            continue
        known = _read(int(process.name)) if here else None
        if known:
            found.add(known)
    return found


def still_alive(processes: Iterable[Process]) -> list[str]:
    """The titles of those that are not gone within GONE_S."""
    deadline = time.monotonic() + GONE_S
    left = [process for process in processes if process.alive]
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left = [process for process in left if process.alive]
    return [process.title for process in left]


def _read(pid: int) -> Process | None:
    """The process, or None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, parent, started = fields[0], int(fields[1]), int(fields[19])
    return None if state == "Z" else Process(pid, parent, started)
