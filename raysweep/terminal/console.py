"""Where human text goes, and how wide it may be."""

from __future__ import annotations

import re
from typing import Any, TextIO

from rich.console import Console

UNFOLDED = 10_000
"""Columns of a stream that is no terminal: no line is folded there, and none is cut."""

_BLANKS = re.compile(r"[ \t]+((?:\x1b\[[0-9;]*m)*)(?=\n)")
"""Blanks before a line's end, with the colour codes that may stand between the two."""


def open_console(stream: TextIO) -> Console:
    """Return a console that prints what it is given, to the letter, and no blanks at a line's end.

    Rich would take the `[/tmp/x]` of an error for markup, and raise on it.
    """
    file: Any = _Trimmed(stream)
    console = _Console(file=file, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = UNFOLDED
    return console


class _Console(Console):
    """A console whose reader may go away: `raysweep list | head -1` is no failure."""

    def on_broken_pipe(self) -> None:
        """Called while a BrokenPipeError is handled, which Rich would turn into exit code 1."""
        raise


class _Trimmed:
    """A text stream without the blanks with which Rich fills a table's last column."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_BLANKS.sub(r"\1", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
