"""A command's stdin, stdout and stderr, which may be closed, full, or read by nobody any more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

_MODES = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)


@contextmanager
def usable_streams() -> Iterator[None]:
    """Within it the three are there, and what stderr does not take is dropped.

    Where one is closed (`2>&-`) it is /dev/null: the next file that anybody opened would get its
    number, and a database there would get what a library writes to stderr. A sweep does not end
    because nobody reads how it goes (`2>/dev/full`, `2>&1 | head`).
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
    """`stream`, which drops what cannot be written."""
    wrapped: Any = _Lossy(stream)
    return cast("TextIO", wrapped)


def to_nowhere(stream: TextIO) -> None:
    """Let what is left in `stream` go to /dev/null: Python's own last flush of it, whose failure
    is an exit code of its own, then succeeds."""
    with suppress(OSError, ValueError):  # not a file, but a notebook's
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), stream.fileno())
        stream.flush()


def _open_closed_ones() -> list[int]:
    """The numbers of the closed ones, which are open now."""
    opened = []
    for number, mode in enumerate(_MODES):
        try:
            os.fstat(number)
        except OSError:
            found = os.open(os.devnull, mode)  # the lowest free number: this one
            os.set_inheritable(found, True)
            opened.append(found)
    return opened


class _Lossy:
    """A text stream that drops what cannot be written, and is the stream it wraps in all else."""

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
