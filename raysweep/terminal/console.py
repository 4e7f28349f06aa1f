"""Consoles for human text, and their width."""

from __future__ import annotations

import re
import shutil
from typing import Any, TextIO

from rich.console import Console, ConsoleDimensions
from rich.text import Text

from raysweep.terminal.wrap import wrap

UNFOLDED = 10_000
"""Columns of a stream that is not a terminal: lines are neither folded nor cut there."""

_BLANKS = re.compile(r"[ \t]+((?:\x1b\[[0-9;]*m)*)(?=\n)")
"""Blanks at the end of a line, with the colour codes that may follow them."""


def open_console(stream: TextIO) -> Console:
    """Return a console that prints text verbatim, but without trailing blanks.

    Rich would parse the `[/tmp/x]` of an error as markup, and raise.
    """
    file: Any = _Trimmed(stream)
    # In a notebook Rich would write to the cell instead.
    console = _Console(file=file, markup=False, emoji=False, highlight=False, force_jupyter=False)
    if not console.is_terminal:
        console.width = UNFOLDED
    elif console.is_dumb_terminal:  # Rich takes 80 for granted
        console.size = ConsoleDimensions(*shutil.get_terminal_size())
    return console


def redraws(console: Console) -> bool:
    """Whether lines can be drawn anew in place: on a terminal that is not a dumb one."""
    return console.is_terminal and not console.is_dumb_terminal


def say(console: Console, text: str, style: str = "") -> None:
    """Print text to the letter, broken between words where the terminal is narrow."""
    console.print(Text(wrap(text, console.width)), style=style, soft_wrap=True)


def copyable(console: Console, text: str) -> None:
    """Print a path or a command for copying: to the letter, in one line however narrow the terminal
    is."""
    console.print(text, soft_wrap=True)


class _Console(Console):
    """A console whose reader may close the pipe: `raysweep list | head -1` is not a failure."""

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
