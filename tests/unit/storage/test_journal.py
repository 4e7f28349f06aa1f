"""The journal of a driver that may be killed while it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysweep.errors import UserError
from raysweep.storage.journal import Journal, read_journal
from raysweep.storage.past import Past
from raysweep.storage.stop import StorageLost


def test_events_come_back_with_the_sweeps_own_time(tmp_path: Path) -> None:
    now = [1000.0]
    first = Journal(tmp_path / "j", clock=lambda: now[0])
    first.write("started", config={"a": 1})
    now[0] += 5
    first.write("trial", index=0, values={"x": float("nan")})
    events = read_journal(tmp_path / "j")
    assert [(event["event"], event["at"]) for event in events] == [("started", 0), ("trial", 5)]
    assert events[0]["config"] == {"a": 1}

    now[0] = 3.0  # another machine, whose clock is another
    again = Journal(tmp_path / "j", Past(events).elapsed_s, clock=lambda: now[0])
    now[0] += 2
    again.write("resumed")
    assert Past(read_journal(tmp_path / "j")).elapsed_s == 7


@pytest.mark.parametrize("torn", [b'{"event": "tri', b"{", b'{"event": "trial", "at": 1}'])
def test_a_torn_last_line_is_none_and_the_next_begins_anew(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "j"
    Journal(path).write("started")
    with path.open("ab") as file:
        file.write(torn)
    assert [event["event"] for event in read_journal(path)] == ["started"]
    Journal(path).write("resumed")
    assert [event["event"] for event in read_journal(path)] == ["started", "resumed"]


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"at": 1}', '{"event": "x"}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "j"
    Journal(path).write("started")
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match="j, line 2: is damaged"):
        read_journal(path)


def test_none_there_is_no_past(tmp_path: Path) -> None:
    assert Past(read_journal(tmp_path / "none")).epochs_told() == {}


def test_what_cannot_be_written_stops_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(StorageLost, match="cannot be written"):
        Journal(tmp_path / "gone" / "j").write("started")
