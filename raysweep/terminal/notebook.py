"""The live table in a notebook's output cell: Jupyter, VS Code, Colab.

IPython's own display is enough; Rich would need ipywidgets to redraw.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console

from raysweep.events import Event
from raysweep.terminal.console import open_console
from raysweep.terminal.live import LiveTable

WIDTH = 110
"""Columns. A cell scrolls what is wider than the window."""

HEIGHT = 40
"""Lines; the table shows the running trials first, and as many others as fit."""

REDRAW_S = 0.25

_FORMAT = (
    '<pre style="white-space: pre; overflow-x: auto; line-height: normal; '
    "font-family: Menlo, 'DejaVu Sans Mono', consolas, monospace\">{code}</pre>"
)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")  # IPython in a terminal has none


class Handle(Protocol):
    """What IPython's `display` returns for an output that is updated later."""

    def update(self, data: dict[str, str], *, raw: bool) -> Any: ...


def output_cell() -> Handle:
    """Open an output below the cell that runs."""
    display: Any = sys.modules["IPython"].display  # not imported here: a notebook's kernel has it
    handle: Handle = display.display({"text/plain": ""}, raw=True, display_id=True)
    return handle


class NotebookTable:
    """Redraws the live table in an output cell, at most every REDRAW_S seconds. What the table says
    above itself stays, and at the end the last table does."""

    def __init__(
        self, handle: Handle | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._handle = handle or output_cell()
        self._clock = clock
        self._said = io.StringIO()
        self._table = LiveTable(_sized(open_console(self._said)))
        self._drawn: float | None = None

    def __enter__(self) -> NotebookTable:
        self._draw()
        return self

    def __exit__(self, *_: object) -> None:
        self._draw()

    def __call__(self, event: Event) -> None:
        self._table(event)
        if self._drawn is None or self._clock() - self._drawn >= REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn = self._clock()
        console = _sized(Console(file=io.StringIO(), record=True, force_jupyter=False))
        console.print(self._said.getvalue(), end="", markup=False, highlight=False, soft_wrap=True)
        console.print(self._table.render())
        text = console.export_text(clear=False)
        page = console.export_html(inline_styles=True, code_format=_FORMAT)
        self._handle.update({"text/plain": text, "text/html": page}, raw=True)


def _sized(console: Console) -> Console:
    console.width, console.height = WIDTH, HEIGHT
    return console
