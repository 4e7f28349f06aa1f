"""End a command even if a transfer hangs.

At exit pyarrow waits for pending requests, and with an unresponsive server each takes half a
minute. By then their transfers have been abandoned and reported.
"""

from __future__ import annotations

import os
import sys
import threading

_given_up: list[threading.Thread] = []


def note_hung(thread: threading.Thread) -> None:
    """Record a running thread whose transfer was abandoned."""
    _given_up.append(thread)


def end_now_if_hung(exit_code: int) -> None:
    """Exit the process at once if a transfer hangs; for a command that has nothing else to do."""
    if any(thread.is_alive() for thread in _given_up):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
