"""Signals that a command receives."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from raysweep.terminal.process import ended_by_the_second_interrupt, terminable


def test_only_commands_with_long_clean_up_replace_pythons_handler_of_ctrl_c() -> None:
    """asyncio cancels its tasks on Ctrl-C where it finds Python's own handler, and else leaves them
    to complain at the end: `submit` follows a job with it."""
    with terminable():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with ended_by_the_second_interrupt():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


INTERRUPTED = """
import atexit, os, signal, sys
from raysweep.terminal.process import ended_by_the_second_interrupt

def once_more():
    os.kill(os.getpid(), signal.SIGINT)

class InTheEnd:
    def __del__(self):  # when Python takes its modules apart
        once_more()

if sys.argv[1] == "module":
    keep = InTheEnd()
try:
    with ended_by_the_second_interrupt():
        if sys.argv[1] == "atexit":
            atexit.register(once_more)  # as a library does that is imported meanwhile
        os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("moment", ["none", "atexit", "module"])
def test_a_second_ctrl_c_while_python_exits_keeps_the_exit_code(moment: str) -> None:
    """The exit code was -2, killed by a signal, if it came in the last tenth of a second."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, moment], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130
    assert done.stderr == "raysweep: stopping; once more ends it at once\n"


WITHOUT_RAY = """
import os, signal, subprocess, sys, time
from types import SimpleNamespace as Of
from raysweep.cluster import signals
from raysweep.terminal.process import ended_by_the_second_interrupt

signals.LOST_S = 0.2
ended = subprocess.Popen(["true"])
ended.wait()
node = Of(all_processes={"raylet": [Of(process=ended)]})
sys.modules["ray"] = sys.modules["ray._private.worker"] = Of(_global_node=node)
try:
    with ended_by_the_second_interrupt(), signals.last_words(lambda: "resume it"):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            time.sleep(float(sys.argv[1]))  # its clean-up
except KeyboardInterrupt:
    time.sleep(1)
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("clean_up_s", "code", "last"), [("60", 130, "raysweep: resume it\n"), ("0", 7, "")]
)
def test_a_command_that_stops_gives_up_a_lost_ray_and_nobody_does_afterwards(
    clean_up_s: str, code: int, last: str
) -> None:
    """The process may be another program's, which called the command."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY, clean_up_s], capture_output=True, text=True, timeout=60
    )
    stopping = "raysweep: stopping; once more ends it at once\n"
    assert (done.returncode, done.stderr) == (code, stopping + last)
