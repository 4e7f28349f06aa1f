"""A run's log while the run is under way: what is shipped, when, and what is left of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from raysweep.cluster.open_log import SHIPPED_BYTES, OpenLog, sent_file
from raysweep.storage.log_file import LogFile

PATIENCE_S = 30


class Driver:
    """The other end: what has arrived; `away`: how many shipments do not."""

    def __init__(self, away: int = 0) -> None:
        self.arrived: list[bytes] = []
        self.away = away

    def __call__(self, data: bytes) -> bool:
        self.away -= 1
        if self.away >= 0:
            return False
        self.arrived.append(data)
        return True

    @property
    def text(self) -> bytes:
        return b"".join(self.arrived)


def test_what_is_written_is_shipped_soon_and_once(tmp_path: Path) -> None:
    driver, file = Driver(away=2), LogFile(tmp_path / "trial-0000.17", 10_000_000)
    log = OpenLog(file, driver)
    log.write("first\n")
    end = time.monotonic() + PATIENCE_S
    while driver.text != b"first\n":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert sent_file(file.path).read_text() == "6", "for whoever collects the rest"
    assert log.unread() == "first\n" and log.unread() == ""
    log.write("second\n")
    log.close()
    assert driver.text == b"first\nsecond\n"
    assert list(tmp_path.iterdir()) == [], "all of it has arrived"


def test_a_chatty_run_ships_little_at_a_time_and_the_rest_at_its_end(tmp_path: Path) -> None:
    driver, file = Driver(), LogFile(tmp_path / "trial-0000.17", 10_000_000)
    log = OpenLog(file, driver)
    text = "".join(f"line {number:06d}\n" for number in range(300_000))
    for start in range(0, len(text), 100_000):
        log.write(text[start : start + 100_000])
    log.close()
    assert driver.text.decode() == text
    assert max(map(len, driver.arrived)) <= SHIPPED_BYTES


def test_what_comes_faster_than_it_is_shipped_is_cut(tmp_path: Path) -> None:
    driver, file = Driver(), LogFile(tmp_path / "trial-0000.17", 1_000_000)
    log = OpenLog(file, driver)
    text = "".join(f"line {number:06d}\n" for number in range(500_000))
    log.write(text)
    log.close()
    arrived = driver.text.decode()
    assert len(arrived) < 2_500_000 and "some lines are left out here" in arrived
    assert arrived.endswith("line 499999\n")


def test_without_shipping_it_is_bounded_while_it_is_written(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "trial-0000.log", 100_000)
    log = OpenLog(file, None)
    with subprocess.Popen(["head", "-c", "3000000", "/dev/zero"], stdout=log.fileno()):
        pass
    end = time.monotonic() + PATIENCE_S
    while file.path.stat().st_size > 100_000:
        assert time.monotonic() < end
        time.sleep(0.05)
    log.close()
    again = OpenLog(file, None)
    again.close()
    assert b"[raysweep: a new process" in file.path.read_bytes()


CAPTURED = """
import ctypes, logging, os, subprocess, sys
from pathlib import Path
from raysweep.cluster.capture import redirected
from raysweep.storage.log_file import LogFile

kept = logging.StreamHandler(sys.stdout)
file = LogFile(Path(sys.argv[1]), 1_000_000).open()
print("before")
with redirected(file):
    print("from print")
    ctypes.CDLL(None).printf(b"from C\\n")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a child"])
    kept.emit(logging.makeLogRecord({"msg": "from an older handler"}))
    print("no end", end="", file=sys.stderr)
    ctypes.CDLL(None).printf(b", still held by C")
print("after")
"""


def test_whoever_writes_it_is_kept_and_only_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "trial-0000.log"
    command = [sys.executable, "-u", "-c", CAPTURED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    text = path.read_text()
    assert text.startswith("from print\nfrom C\nfrom a child\nfrom an older handler\n")
    assert "no end" in text and "still held by C" in text
    assert done.stdout == "before\nafter\n" and not done.stderr
