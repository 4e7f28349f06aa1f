"""Print many lines: through a pager where they do not fit on the terminal, as git does."""

from __future__ import annotations

import os
import pydoc
import shutil
from collections.abc import Sequence

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from raysweep.terminal.table import Paint


def painter(console: Console) -> Paint:
    """Return what colours a text for the console; where it has no colours, nothing is done."""
    if console.color_system is None or console.no_color:
        return lambda text, style: text
    return lambda text, style: (
        Style.parse(style).render(text, color_system=ColorSystem.STANDARD) if style else text
    )


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print the lines. On a terminal that they do not fit on, `$PAGER` shows them, or `less`; with
    PAGER=cat or an empty one, nobody does."""
    text = "\n".join(lines) + "\n"
    if console.is_terminal and _rows(lines, console.width) >= console.height and _has_pager():
        # As git: -F ends at once where all fits, -R keeps colours, -X leaves the text there.
        os.environ.setdefault("LESS", "FRX")
        pydoc.pager(text)
    else:
        console.file.write(text)
        console.file.flush()


def _rows(lines: Sequence[str], width: int) -> int:
    """How many rows of the terminal they take, at least: one too long continues in the next."""
    return sum(1 + max(0, len(line) - 1) // max(1, width) for line in lines)


def _has_pager() -> bool:
    wanted = os.environ.get("PAGER")
    if wanted is None:
        return shutil.which("less") is not None
    return wanted.strip() not in ("", "cat")
