"""What signals do to a command."""

from __future__ import annotations

import signal

from raysweep.terminal.process import ended_by_the_second_interrupt, terminable


def test_ctrl_c_is_pythons_own_but_for_commands_that_tidy_up_for_long() -> None:
    """asyncio cancels its tasks on Ctrl-C where it finds Python's own handler, and else leaves them
    to complain at the end: `submit` follows a job with it."""
    with terminable():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with ended_by_the_second_interrupt():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
