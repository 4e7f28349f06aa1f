"""Handle closed, full or broken stdin, stdout and stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

_MODES = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)


@contextmanager
def usable_streams() -> Iterator[None]:
    """Open closed streams, and drop what stderr cannot take, within the block.

    A closed stream (`2>&-`) becomes /dev/null: otherwise the next opened file would get its number,
    and a database could receive what a library writes to stderr. A sweep must not end because its
    progress cannot be written (`2>/dev/full`, `2>&1 | head`).
    """
    opened = _open_closed_ones()
    before = sys.stdin, sys.stdout, sys.stderr
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if number in opened or getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115, PTH123
            setattr(sys, name, stream)
    stderr = sys.stderr
    sys.stderr = lossy(stderr)
    try:
        yield
    finally:
        try:
            stderr.flush()
        except OSError:
            to_nowhere(stderr)
        if not opened:
            sys.stdin, sys.stdout, sys.stderr = before


def lossy(stream: TextIO) -> TextIO:
    """Wrap `stream` to drop what cannot be written."""
    wrapped: Any = _Lossy(stream)
    return cast("TextIO", wrapped)


def to_nowhere(stream: TextIO) -> None:
    """Redirect the rest of `stream` to /dev/null, so that Python's flush at exit succeeds; its
    failure would change the exit code."""
    with suppress(OSError, ValueError):  # a notebook's stream has no file descriptor
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), stream.fileno())
        stream.flush()


def _open_closed_ones() -> list[int]:
    """Open closed streams as /dev/null; return their numbers."""
    opened = []
    for number, mode in enumerate(_MODES):
        try:
            os.fstat(number)
        except OSError:
            found = os.open(os.devnull, mode)  # gets the lowest free number: this one
            os.set_inheritable(found, True)
            opened.append(found)
    return opened


class _Lossy:
    """A text stream that drops what cannot be written, and otherwise delegates to its stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
