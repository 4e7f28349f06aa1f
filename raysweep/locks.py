"""Check file locks (flock) that other processes hold until they end."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def is_held(path: Path) -> bool:
    """Return whether a process holds an exclusive lock on the file.

    It tries a shared lock, which does not disturb other checks, and creates no file. Raises OSError
    if the file cannot be opened or locked.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
