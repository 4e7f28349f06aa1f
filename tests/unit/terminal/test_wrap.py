"""Lines on a narrow terminal: broken between words, and commands not at all."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysweep.terminal.console import open_console, redraws, say
from raysweep.terminal.plain import PlainLines
from raysweep.terminal.wrap import for_stream, wrap

from terminal_sweep import SWEEP


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def dumb(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """One of 60 columns that cannot move its cursor, such as an editor's."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal()


@given(st.lists(st.text("abcä ─", min_size=1), max_size=12), st.integers(8, 40))
def test_no_word_is_broken_or_lost(words: list[str], width: int) -> None:
    text = " ".join(words)
    lines = wrap(text, width).split("\n")
    assert [word for line in lines for word in line.split()] == text.split()
    assert all(len(line) <= width or " " not in line.strip() for line in lines)


def test_a_command_stays_whole() -> None:
    command = "python -m raysweep resume mine --storage /a/long/way/to/it"
    said = f"interrupted: mine has no best yet; progress is saved, resume it with: {command}"
    assert wrap(said, 40).splitlines() == [
        "interrupted: mine has no best yet;",
        "progress is saved, resume it with:",
        command,
    ]
    assert wrap("no sweep; see `python -m raysweep list`", 30).splitlines() == [
        "no sweep; see",
        "`python -m raysweep list`",
    ]


def test_a_pipe_gets_whole_lines(dumb: Terminal) -> None:
    long = "a story " * 20
    assert for_stream(long, io.StringIO()) == long
    assert max(map(len, for_stream(long, dumb).splitlines())) <= 60


def test_a_dumb_terminal_has_its_width_and_is_not_redrawn(dumb: Terminal) -> None:
    console = open_console(dumb)
    assert console.width == 60
    assert not redraws(console)
    say(console, "a story " * 20)
    with PlainLines(dumb) as lines:
        for event in SWEEP:
            lines(event)
    shown = dumb.getvalue()
    assert "\x1b" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 60
