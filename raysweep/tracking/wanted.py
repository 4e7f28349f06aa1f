"""A blob that is still at a storage's URI, asked for by the process that needs it.

Only the sweep's driver reaches the URI, and which blobs a sweep uses is known when a stage or a
trial opens one. So whoever finds one missing leaves a request beside the store, an empty file named
`<project>.<digest>`, and waits until it is gone: then the blob is there, or cannot be had.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from raysweep.errors import StoreFailed

SERVED = "served"
FAILED = ".failed"
_LOOK_S = 0.02


def wanted_folder(root: Path) -> Path:
    """Where requests lie in the store at `root`."""
    return root / "wanted"


def bring(blob: Path) -> None:
    """Return when the blob is here, or where nobody brings it. Raises StoreFailed where it could
    not be brought."""
    if blob.is_file():
        return
    project, root = blob.parents[3].name, blob.parents[5]
    folder = wanted_folder(root)
    if not _is_served(folder):
        return
    request = folder / f"{project}.{blob.name}"
    failed = request.with_name(request.name + FAILED)
    failed.unlink(missing_ok=True)
    try:
        request.touch()
    except FileNotFoundError:  # it has ended since
        return
    while request.exists() and _is_served(folder):
        time.sleep(_LOOK_S)
    if failed.exists() and not blob.is_file():
        raise StoreFailed(failed.read_text(encoding="utf-8"))


def _is_served(folder: Path) -> bool:
    """Whether a driver answers: its lock ends with it."""
    try:
        lock = os.open(folder / SERVED, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
