"""Ending a command although a transfer hangs.

pyarrow waits at the process's end for the requests that are under way, and a server that answers
nothing lets each take half a minute. What they would bring is given up by then, and told.
"""

from __future__ import annotations

import os
import sys
import threading

_given_up: list[threading.Thread] = []


def note_hung(thread: threading.Thread) -> None:
    """What the thread transfers was given up, and it still runs."""
    _given_up.append(thread)


def end_now_if_hung(exit_code: int) -> None:
    """End the process where a transfer hangs: for a command that has nothing else to do."""
    if any(thread.is_alive() for thread in _given_up):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
