"""Break lines between words, where a terminal would break them anywhere."""

from __future__ import annotations

import re
import shutil
from typing import TextIO

from rich.cells import cell_len

_WHOLE = re.compile(
    r"`[^`]+`\S*"  # a command in the text
    r"|(?<=: )(?:python -m |\S*/)?raysweep .+$"  # one at its end, which is there to be copied
    r"|\S+"
)


def wrap(text: str, width: int) -> str:
    """Break each line of `text` at blanks, so that it is at most `width` characters wide.

    What is wider stays whole, and so does a command: broken, it could not be copied.
    """
    return "\n".join(_wrapped(line, width) for line in text.split("\n"))


def for_stream(text: str, stream: TextIO) -> str:
    """Wrap what is printed to a terminal; a file or a pipe gets whole lines."""
    return wrap(text, shutil.get_terminal_size().columns) if stream.isatty() else text


def _wrapped(line: str, width: int) -> str:
    if cell_len(line) <= width:
        return line
    lines: list[str] = []
    start = 0  # of the line in progress
    end = 0  # of its last word
    for word in _WHOLE.finditer(line):
        if end > start and cell_len(line[start : word.end()]) > width:
            lines.append(line[start:end])
            start = word.start()
        end = word.end()
    return "\n".join([*lines, line[start:end]])
