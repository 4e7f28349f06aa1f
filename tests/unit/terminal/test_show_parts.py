"""What `show` is made of: a metric's course, lines of a table, the pager; and notebooks."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from raysweep.events import StageFinished, TrialUpdated
from raysweep.terminal import text
from raysweep.terminal.console import open_console
from raysweep.terminal.notebook import NotebookTable, in_notebook
from raysweep.terminal.pager import painter, print_lines
from raysweep.terminal.sparkline import sparkline
from raysweep.terminal.table import Column, Row, fitted, lines

from terminal_sweep import started, trial


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
        ([3.0, 1.0, 2.0], "█▁▅"),
        ([1.0, float("nan"), 2.0, None, float("inf")], "▁ █  "),
        ([2.0, 2.0], "▄▄"),
        ([-1e308, 1e308], "▁█"),
        (["text"], ""),
        ([], ""),
    ],
)
def test_the_course_of_a_metric(values: list[object], drawn: str) -> None:
    assert sparkline(values) == drawn


def test_a_long_course_is_thinned_out() -> None:
    drawn = sparkline([float(i) for i in range(1000)], most=8)
    assert drawn == "▁▂▃▄▅▆▇█"


def test_lines_of_a_table_are_those_of_rich() -> None:
    columns = [
        Column("a", right=True),
        Column("name"),
        Column("x", dropped=1),
        Column("v", shortened=True),
    ]
    rows = [Row(["1", "züri", "y" * 9, "long " * 9]), Row(["10", "表", "", ""])]
    for width in (40, 60, 200):
        stream = io.StringIO()
        open_console(stream).print(fitted(columns, rows, width), soft_wrap=True)
        found = list(lines(columns, rows, width, lambda text, style: text))
        assert found == [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("10 %\r20 %\r", "20 %"),
        ("\x1b]0;title\x07a\tb", "a       b"),
        ("\x1b[2J\x07x", "x"),
    ],
)
def test_a_line_of_a_log_cannot_change_the_terminal(line: str, shown: str) -> None:
    assert text.printable(line) == shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", [False, True])
def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    assert painter(open_console(io.StringIO()))("x", "red") == "x"
    painted = painter(open_console(Terminal()))("x", "red")
    assert painted == ("x" if no_color else "\x1b[31mx\x1b[0m")


@pytest.mark.parametrize(
    ("pager", "count", "paged"),
    [("one", 50, True), ("one", 5, False), ("cat", 50, False), ("", 50, False)],
)
def test_a_pager_shows_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pager: str, count: int, paged: bool
) -> None:
    """As with git: PAGER=cat and an empty one mean none."""
    got = tmp_path / "got"
    script = tmp_path / "pager"
    script.write_text(f"#!/bin/sh\ncat > '{got}'\n")
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PAGER", f"'{script}'" if pager == "one" else pager)
    monkeypatch.delenv("MANPAGER", raising=False)
    monkeypatch.setenv("LESS", "FRX")
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())
    console = open_console(Terminal())
    console.width, console.height = 80, 24
    print_lines(console, [f"line {i}" for i in range(count)])
    direct = getattr(console.file, "getvalue")()  # noqa: B009
    whole = "".join(f"line {i}\n" for i in range(count))
    assert (got.read_text() if paged else direct) == whole
    assert (direct == "") == paged
    assert os.environ["LESS"] == "FRX"


class Cell:
    """An output cell: what it shows now, and how often it was drawn."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.drawn = 0

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown = data
        self.drawn += 1


def test_progress_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    cell, now = Cell(), [0.0]
    with NotebookTable(cell, lambda: now[0]) as table:
        assert "starting Ray" in cell.shown["text/plain"]
        drawn = cell.drawn
        table(started())
        table(StageFinished("load", "digits-raw:v0", cached=True))
        assert cell.drawn == drawn, "not at every event"
        now[0] = 1.0
        table(trial(0, "running", 1, 80.0))
        assert cell.drawn == drawn + 1
        last: TrialUpdated = trial(0, "completed", 2, 91.5)
        table(last)
    lines = cell.shown["text/plain"].splitlines()
    assert lines[0].startswith(f"sweep {started().sweep}")
    assert "load        digits-raw:v0            reused" in lines
    assert any("trial-0000" in line and "91.50 %" in line for line in lines)
    assert cell.shown["text/html"].startswith("<pre")
    assert capsys.readouterr() == ("", "")


def test_a_test_is_no_notebook() -> None:
    assert not in_notebook()
