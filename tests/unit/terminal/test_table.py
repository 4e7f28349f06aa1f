"""Tables on terminals of several widths."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from raysweep.terminal.console import open_console
from raysweep.terminal.table import Column, Row, fitted

COLUMNS = [
    Column("sweep"),
    Column("started", dropped=1),
    Column("test", dropped=2),
    Column("values", shortened=True),
]
ROWS = [
    Row(["fashionmnist-20261123-0915-3fa2", "2026-11-23 09:15", "91.2 %", "learning_rate=0.00123"]),
    Row(["mine", "2026-11-23 09:20", "–", Text("optimizer=AdamW dropout=0.25", style="red")]),
]


def lines(width: int) -> list[str]:
    console = open_console(stream := io.StringIO())
    console.width = width
    console.print(fitted(COLUMNS, ROWS, width), soft_wrap=True)
    return stream.getvalue().splitlines()


def test_a_wide_terminal_shows_all() -> None:
    header, first, second = lines(100)
    assert header.split() == ["sweep", "started", "test", "values"]
    assert first.endswith("91.2 %  learning_rate=0.00123")
    assert second.endswith("dropout=0.25")


def test_columns_are_shortened_before_another_is_dropped() -> None:
    header, _, second = lines(80)
    assert header.split() == ["sweep", "started", "test", "values"]
    assert second.endswith("…")
    assert max(map(len, lines(80))) <= 80


def test_at_60_columns_a_column_goes_and_no_word_is_broken() -> None:
    header, first, _ = lines(60)
    assert header.split() == ["sweep", "test", "values"]
    assert first.split()[0] == "fashionmnist-20261123-0915-3fa2"
    assert max(map(len, lines(60))) <= 60


def test_a_name_is_never_cut() -> None:
    header, first, _ = lines(20)
    assert header.split() == ["sweep", "values"]
    assert first.split()[0] == "fashionmnist-20261123-0915-3fa2"
    assert len(lines(20)) == 3


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_no_line_ends_in_blanks(width: int) -> None:
    assert [line for line in lines(width) if line != line.rstrip()] == []
