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
