"""One writer a URI, with real processes: who is refused, who is stopped, and what is not harmed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3_server import S3Server, free_port

URI = "s3://bucket/one/writer"
DRIVER = Path(__file__).with_name("a_driver.py")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(
    machine: Callable[[str], dict[str, str]], request: pytest.FixtureRequest
) -> Iterator[Start]:
    """Start `a_driver.py` on the machine of that name; what is left of them ends with the test."""
    begun: list[subprocess.Popen[str]] = []
    paths = os.pathsep.join(filter(None, sys.path))

    def begin(name: str, uri: str, *words: object, **env: str) -> subprocess.Popen[str]:
        begun.append(
            subprocess.Popen(
                [sys.executable, str(DRIVER), uri, *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **machine(name), "PYTHONPATH": paths, **env},
            )
        )
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()
        each.communicate()


def said(process: subprocess.Popen[str], word: str) -> None:
    """Wait until it says so."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.strip() == word, line + (process.communicate()[1] if not line else "")


def test_of_two_that_begin_at_the_same_instant_one_is_refused(start: Start, s3: S3Server) -> None:
    for turn in range(2):
        uri, at = f"{URI}/race-{turn}", time.time() + 3
        both = [start(f"racer-{n}", uri, "race", at) for n in range(2)]
        ended = [process.communicate(timeout=60) for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes == [0, 2], ended
        refused = ended[[process.returncode for process in both].index(2)][1]
        assert "is being written by race" in refused.splitlines()[-1]


@pytest.mark.parametrize(
    ("place", "epochs"),
    [("journal.jsonl", 5), ("snapshot", 5), ("replica.json", 5), ("result.json", 6)],
)
def test_one_that_slept_in_mid_push_harms_nothing(
    place: str, epochs: int, start: Start, s3: S3Server
) -> None:
    """It is stopped when it is about to write there, for longer than means death, and another one
    has gone on with its sweep meanwhile. `epochs`: those that were pushed, and two."""
    uri = f"{URI}/slept-{place}"
    slow = start("slow", uri, "sweep", 3, place)
    said(slow, "writes")
    os.kill(slow.pid, signal.SIGSTOP)
    other = start("other", uri, "resume", 2)
    out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    prefix = uri.removeprefix("s3://bucket/")
    before = {key: (s3.data / "bucket" / prefix / key).read_bytes() for key in s3.keys(prefix)}
    assert "mine/result.json" in before
    slow.stdin.write("go\n")  # type: ignore[union-attr]
    slow.stdin.flush()  # type: ignore[union-attr]
    os.kill(slow.pid, signal.SIGCONT)
    out, err = slow.communicate(timeout=60)
    assert slow.returncode == 1, err
    assert err.count("\n") == 1
    assert "another command has taken it over, since" in err
    after = {key: (s3.data / "bucket" / prefix / key).read_bytes() for key in s3.keys(prefix)}
    assert before.items() <= after.items(), "nothing is gone, or another"
    assert all(key.startswith(".layers/") for key in after.keys() - before.keys())
    kept = re.search(r"its unpushed work is in (\S+),", err)
    assert kept is not None
    assert Path(kept.group(1)).is_dir()
    look = start("third", uri, "look")
    out, err = look.communicate(timeout=60)
    assert json.loads(out) == {"epochs": epochs, "ended": True}, err


@pytest.fixture(scope="module", params=["refused", "ignored"])
def old_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("old"), free_port(), request.param)
    server.start()
    yield server
    server.stop()


def test_a_server_without_conditional_writes_has_the_timed_lease(
    start: Start, old_server: S3Server
) -> None:
    env = old_server.env
    uri = f"s3://bucket/{old_server.conditions}"
    first = start("first", uri, "hold", **env)
    said(first, "holds")
    second = start("second", uri, "race", 0, **env)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "is being written by sweep mine" in err.splitlines()[-1]
    first.kill()
    first.communicate()
    third = start("third", uri, "resume", 1, **env)
    _, err = third.communicate(timeout=60)
    assert third.returncode == 0, err
    assert "has no conditional writes" in err.splitlines()[0]
    assert "if two drivers start within a second, the later one wins" in err.splitlines()[0]
    assert not [key for key in old_server.keys(old_server.conditions) if "probe" in key]
