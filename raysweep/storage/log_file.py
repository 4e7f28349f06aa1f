"""A run's log: a file that grows at its end, and whose middle is cut out where it grows too long.

A process that has the file open for appending writes at its end, also after a cut, so that children
of a trial that inherited its stdout are not affected.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000

_NEAR = 4096
"""How far from the middle of the limit a line's end is searched for."""

_CUT = re.compile(rb"\[raysweep: ([\d,]+) bytes are left out here: [^\n]*\]\n")

_LOOK_S = 0.2
"""Seconds between two looks of `follow`."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class LogFile:
    """A log of at most `most` bytes, and what is written between two looks at its size."""

    path: Path
    most: int

    def open(self) -> int:
        """Open it for reading and appending; return the file descriptor."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path, flags, 0o644)

    def append(self, data: bytes) -> None:
        """Write `data` at its end, and shorten it if need be."""
        file = self.open()
        try:
            write_all(file, data)
            self.shorten(file)
        finally:
            os.close(file)

    def shorten(self, file: int) -> None:
        """If it is too long, keep its first half and its last quarter of the limit. A line in its
        middle says how much is left out."""
        size = os.fstat(file).st_size
        if size <= self.most:
            return
        head, already = self._head(file)
        tail = max(_line_after(file, size - self.most // 4), head)
        before = b"" if already is None else already.group()
        count = tail - head - len(before)
        count += 0 if already is None else int(already.group(1).replace(b",", b""))
        note = f"the limit is {self.most / MEGABYTE:g} MB, resources.log_limit_mb"
        line = f"[raysweep: {count:,} bytes are left out here: {note}]\n".encode()
        inside = already is None and os.pread(file, 1, head - 1) != b"\n"
        cut_out(file, head, tail, instead=b"\n" * inside + line)

    def _head(self, file: int) -> tuple[int, re.Match[bytes] | None]:
        """Where the first half ends, and the line of an earlier cut, which is there."""
        half = max(1, self.most // 2)
        start = max(0, half - _NEAR)
        near = os.pread(file, half - start + _NEAR, start)
        already = _CUT.search(near)
        if already is not None:
            return start + already.start(), already
        end = near.rfind(b"\n", 0, half - start) + 1
        return (start + end if end else half), None


def cut_out(file: int, start: int, end: int, instead: bytes = b"") -> None:
    """Remove the bytes from `start` to `end` of an append-only file, and put `instead` there.

    What others append in the microseconds between the last look and the cut is lost.
    """
    rest = bytearray()
    while block := os.pread(file, _BLOCK, end + len(rest)):
        rest += block
    os.ftruncate(file, start)
    write_all(file, instead + rest)


def write_all(file: int, data: bytes | bytearray) -> None:
    """Write all of `data`: one call may write less."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def last_lines(path: Path, count: int) -> tuple[bytes, int]:
    """Return the file's last `count` lines, and its size. Raises FileNotFoundError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        position, text = size, b""
        while position and text.count(b"\n") <= count:
            step = min(_BLOCK, position)
            position -= step
            text = os.pread(file.fileno(), step, position) + text
    return b"".join(deque(text.splitlines(keepends=True), maxlen=count)), size


def follow(path: Path, start: int, ended: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what is in the file from byte `start` on, and what is appended, until `ended`."""
    while True:
        last = ended()  # before the look: what was written until then is read
        with suppress(FileNotFoundError), path.open("rb") as file:
            start = min(start, os.fstat(file.fileno()).st_size)  # its middle was cut out
            while block := os.pread(file.fileno(), _BLOCK, start):
                start += len(block)
                yield block
        if last:
            return
        time.sleep(_LOOK_S)


def _line_after(file: int, position: int) -> int:
    """The beginning of the first line from `position` on; `position` where none is near."""
    position = max(0, position)
    return position + os.pread(file, _NEAR, position).find(b"\n") + 1
