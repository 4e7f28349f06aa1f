"""What this process writes to its stdout and stderr, sent into a file, or copied into one.

In a worker the file descriptors themselves are redirected, so that what C code and child processes
write is kept, and so that nothing of it is lost when the process is killed: the kernel has it. In
local mode the process is the user's, whose terminal a debugger needs: there Python's streams are
copied, and what C code writes goes to the terminal alone.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO

from raysweep.storage.log_file import write_all

_LIBC = ctypes.CDLL(None)


class Readable(Protocol):
    """What is captured can be read again."""

    def unread(self) -> str:
        """Return what was appended since the last call."""
        ...


_captured: list[Readable] = []
"""What this process prints goes into the last of these."""


@contextmanager
def redirected(file: int) -> Iterator[int]:
    """Within it stdout and stderr of this process are `file`. Yields where stdout went before.

    Python's streams write a line at a time: Ray's take two system calls for each `print`.
    """
    flush()
    before = os.dup(1), os.dup(2)
    streams = sys.stdout, sys.stderr
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    try:
        yield before[0]
    finally:
        flush()
        for number, old in enumerate(before, start=1):
            os.dup2(old, number)
            os.close(old)
        sys.stdout, sys.stderr = streams


@contextmanager
def current(log: Readable) -> Iterator[None]:
    """Within it `printed` reads from `log`."""
    _captured.append(log)
    try:
        yield
    finally:
        _captured.remove(log)


def printed() -> str:
    """Return what was written to the log that this process captures, since the last call."""
    return _captured[-1].unread() if _captured else ""


@contextmanager
def copied(file: int) -> Iterator[None]:
    """Within it what Python writes to stdout and stderr is also written to `file`."""
    streams = sys.stdout, sys.stderr
    tees: list[Any] = [_Tee(stream, file) for stream in streams]
    sys.stdout, sys.stderr = tees
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def flush() -> None:
    """Write what Python's streams and C's stdout still hold."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none
            stream.flush()
    with suppress(ValueError):  # no such symbol in this C library
        _LIBC.fflush(ctypes.c_void_p.in_dll(_LIBC, "stdout"))


def _stream(number: int) -> TextIO:
    raw = io.BufferedWriter(_Lossy(number, "w", closefd=False))
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)


class _Lossy(io.FileIO):
    """A file that drops what its disk cannot take: a full one fails no `print`."""

    def write(self, data: Any) -> int:
        with suppress(OSError):
            return super().write(data)
        return len(data)


class _Tee:
    """A text stream that copies what is written to it, and is the stream it wraps in all else."""

    def __init__(self, stream: TextIO, file: int) -> None:
        self._stream = stream
        self._file = file

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        with suppress(OSError):  # closed: somebody kept this stream
            write_all(self._file, text.encode("utf-8", "backslashreplace"))
        return written

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
