"""Where human text goes, and how wide it may be."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

UNFOLDED = 10_000
"""Columns of a stream that is no terminal: nobody's lines are folded there, and none is cut."""


def open_console(stream: TextIO) -> Console:
    """A console that prints what it is given, to the letter.

    Rich would take the `[/tmp/x]` of an error for markup, and raise on it.
    """
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = UNFOLDED
    return console
