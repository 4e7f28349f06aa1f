"""A run's log: bounded, with its head and its tail, whoever writes; and how it is read."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

from raysweep.storage.log_file import LogFile, follow, last_lines, write_all


def lines(first: int, after: int) -> bytes:
    return b"".join(f"line {number:07d}\n".encode() for number in range(first, after))


def test_a_long_log_keeps_its_head_and_its_tail(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "trial-0000.log", 100_000)
    for start in range(0, 100_000, 1_000):
        log.append(lines(start, start + 1_000))
        assert log.path.stat().st_size <= 100_000
    text = log.path.read_text().splitlines()
    notes = [line for line in text if line.startswith("[raysweep")]
    assert len(notes) == 1, "one line, however often it was cut"
    cut = text.index(notes[0])
    head, tail = text[:cut], text[cut + 1 :]
    assert head == lines(0, len(head)).decode().splitlines()
    assert tail == lines(100_000 - len(tail), 100_000).decode().splitlines(), "whole lines, the end"
    assert len(head) > 3_000 and len(tail) > 1_500
    left_out = 13 * (100_000 - len(head) - len(tail))
    assert f"{left_out:,} bytes are left out here" in notes[0]
    assert "0.1 MB, resources.log_limit_mb" in notes[0]


def test_a_child_goes_on_at_the_end_after_a_cut(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "trial-0000.log", 1_000)
    file = log.open()
    command = ["sh", "-c", "echo before; read go; echo after"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file) as child:
        while log.path.read_bytes() != b"before\n":
            pass
        write_all(file, lines(0, 500))
        log.shorten(file)
        assert child.stdin is not None
        child.stdin.write(b"go\n")
    assert log.path.read_bytes().endswith(b"line 0000499\nafter\n")
    assert log.path.read_bytes().startswith(b"before\nline 0000000\n")
    assert log.path.stat().st_size < 1_000
    os.close(file)


def test_one_endless_line_is_bounded_too(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "trial-0000.log", 20_000)
    for _ in range(50):
        log.append(b"." * 1_999 + b"\r")
    assert log.path.stat().st_size <= 20_000


def test_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "trial-0000.log"
    path.write_bytes(lines(0, 200_000) + b"unfinished")
    assert last_lines(path, 2) == (b"line 0199999\nunfinished", path.stat().st_size)
    assert last_lines(path, 0)[0] == b""
    assert last_lines(path, 300_000)[0] == path.read_bytes()


def test_following_ends_with_the_run(tmp_path: Path) -> None:
    path, ended = tmp_path / "trial-0000.log", threading.Event()

    def write() -> None:
        for number in range(3):
            with path.open("ab") as file:
                file.write(b"%d\n" % number)
            threading.Event().wait(0.3)
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert b"".join(follow(path, 0, ended.is_set)) == b"0\n1\n2\n", "there from the beginning on"
    thread.join()
