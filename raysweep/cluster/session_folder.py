"""Remove what a Ray that was started here leaves in its temporary folder: its logs and sockets."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from raysweep.paths import is_own

_PREFIX = "session_"
_LATEST = "session_latest"
_ATTEMPTS = 10
_AGAIN_S = 0.1
"""Ray's processes are told to end, and some still write a log meanwhile."""


def remove_sessions(folders: Iterable[Path]) -> None:
    """Remove these session folders, of Rays that have been shut down, and the link
    `session_latest` if it leads to one of them. What cannot be removed stays."""
    for folder in folders:
        with suppress(OSError):
            if folder.name.startswith(_PREFIX) and not folder.is_symlink() and is_own(folder):
                _remove(folder)


def _remove(folder: Path) -> None:
    latest = folder.with_name(_LATEST)
    if latest.is_symlink() and latest.readlink().name == folder.name:
        latest.unlink(missing_ok=True)
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_AGAIN_S)
