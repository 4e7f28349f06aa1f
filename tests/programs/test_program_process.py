"""A program's process: how it ends is passed on, and nothing that it started is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.trials.program.process.raised import exception_in
from raysweep.trials.program.process.supervised import ProgramProcess

FAMILY = """
import os, subprocess, sys, time
from pathlib import Path
sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep)
escaped = subprocess.Popen(sleep, start_new_session=True)
Path("pids.part").write_text(f"{os.getpid()} {child.pid} {escaped.pid}")
Path("pids.part").rename("pids")
if "IGNORE" in os.environ:
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path("ignoring").touch()
time.sleep(float(os.environ.get("SECONDS_TO_RUN", 600)))
"""
"""A program with a child, and with one that has left its process group."""


def started(folder: Path, script: str = FAMILY, **env: str) -> ProgramProcess:
    return ProgramProcess([sys.executable, "-S", "-c", script], folder, {**os.environ, **env})


def family_of(folder: Path) -> list[int]:
    until(lambda: (folder / "pids").exists())
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], object], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_gone(pids: list[int]) -> None:
    until(lambda: not any(map(is_alive, pids)))


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_exit_codes_are_passed_on(tmp_path, code):
    process = started(tmp_path, f"import sys; sys.exit({code})")
    assert process.wait(60)
    assert process.exit_code == code
    process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_signals_are_passed_on(tmp_path, number):
    process = started(tmp_path, f"import os; os.kill(os.getpid(), {int(number)})")
    assert process.wait(60)
    assert process.exit_code in (-number, 1 if number == signal.SIGINT else None)
    process.kill()


def test_a_command_that_is_not_there(tmp_path, capfd):
    process = ProgramProcess(["./not-there"], tmp_path, os.environ)
    assert process.wait(60)
    assert process.exit_code == 127
    assert "./not-there: No such file or directory" in process.stderr()
    process.kill()


def test_kill_ends_all_that_it_started(tmp_path):
    process = started(tmp_path)
    pids = family_of(tmp_path)
    process.kill()
    assert_gone(pids)


def test_what_it_leaves_running_at_its_end_is_ended(tmp_path):
    process = started(tmp_path, SECONDS_TO_RUN="0.1")
    pids = family_of(tmp_path)
    assert process.wait(60)
    assert process.exit_code == 0
    assert_gone(pids)
    process.kill()


def test_one_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("raysweep.trials.program.process.supervised.AFTER_SIGTERM_S", 0.3)
    process = started(tmp_path, IGNORE="1")
    pids = family_of(tmp_path)
    until(lambda: (tmp_path / "ignoring").exists())
    process.terminate()
    assert process.exit_code is not None
    assert_gone(pids)


def test_one_that_is_interrupted_while_it_begins_is_ended(tmp_path):
    for _ in range(5):
        process = started(tmp_path)
        process.kill()
        assert process.exit_code is not None
    if (tmp_path / "pids").exists():
        assert_gone(family_of(tmp_path))


WORKER = f"""
import os, sys, time
from pathlib import Path
from raysweep.trials.program.process.supervised import ProgramProcess
process = ProgramProcess([sys.executable, "-S", "-c", {FAMILY!r}], Path.cwd(), os.environ)
Path("supervisor").write_text(str(process._process.pid))
while not process.wait(0.1): pass
process.kill()
print(process.exit_code)
"""


def test_kill_9_of_the_worker_ends_all(tmp_path):
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=tmp_path)
    pids = family_of(tmp_path)
    worker.kill()
    worker.wait()
    assert_gone([*pids, int((tmp_path / "supervisor").read_text())])


@pytest.mark.parametrize("which", ["outer", "inner"])
def test_kill_9_of_a_supervisor_ends_all(tmp_path, which: str):
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    pids = family_of(tmp_path)
    time.sleep(0.3)  # the worker looks at it meanwhile
    outer = int((tmp_path / "supervisor").read_text())
    inner = int(Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0])
    os.kill({"outer": outer, "inner": inner}[which], signal.SIGKILL)
    out, _ = worker.communicate(timeout=60)
    assert out.strip() == "-9"
    assert_gone([*pids, outer, inner])


def test_a_worker_that_kills_its_children_and_exits_leaves_nothing(tmp_path):
    """As a Ray worker does whose raylet has gone."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=tmp_path)
    pids = family_of(tmp_path)
    outer = int((tmp_path / "supervisor").read_text())
    worker.send_signal(signal.SIGSTOP)  # it does nothing more
    os.kill(outer, signal.SIGKILL)
    worker.kill()
    worker.wait()
    assert_gone([*pids, outer])


TORCHRUN = """
[rank0]: Traceback (most recent call last):
[rank0]:   File "/home/me/train.py", line 7, in <module>
[rank0]:     train()
[rank0]:   File "/opt/lib/python3/site-packages/torch/nn.py", line 70, in forward
[rank0]: ValueError: no
Traceback (most recent call last):
  File "/opt/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.ChildFailedError: failed
"""


@pytest.mark.parametrize(
    ("stderr", "found"),
    [
        ("", None),
        ("Killed\n", None),
        ("Traceback (most recent call last):\n  File", None),
        (TORCHRUN, "ValueError: no (train.py:7)"),
        (TORCHRUN.replace("/home/me", "/else"), "torch.distributed.elastic.ChildFailedError: "),
        (
            'Traceback (most recent call last):\n  File "/home/me/a/b.py", line 3, in f\n'
            "    raise Stop\n    ^^^^^^^^^^\nStop\nwandb: bye\n",
            "Stop (a/b.py:3)",
        ),
        (
            'Traceback (most recent call last):\n  File "/home/me/x.py", line 1, in f\n'
            "KeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\n"
            'Traceback (most recent call last):\n  File "/home/me/x.py", line 2, in f\n'
            "OSError: 2\n",
            "OSError: 2 (x.py:2)",
        ),
    ],
)
def test_the_exception_is_read_from_stderr(stderr, found):
    told = exception_in(stderr, [Path("/home/me")])
    assert told == found or (found is not None and told is not None and told.startswith(found))


def test_its_end_is_told_at_once_and_its_exit_code_is_kept(tmp_path):
    process = started(tmp_path, "import sys; sys.exit(3)")
    told = threading.Event()
    process.call_at_end(told.set)
    assert told.wait(60)
    assert process.exit_code == 3
    again = threading.Event()
    process.call_at_end(again.set)  # nobody can wait for it any more
    assert again.wait(60)
