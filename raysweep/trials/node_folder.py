"""A sweep's folder on a node that is not its driver's, below that node's temporary folder.

Each process that uses one holds a shared lock beside it, which its death lets go of. So whoever
comes to the node next can tell a folder in use from one whose sweep was killed, and removes that.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from raysweep.errors import TrackingError
from raysweep.paths import is_own, safe_join

_held: dict[Path, int] = {}
"""Lock files that this process has open, for as long as it lives."""


def enter(sweep: str) -> Path:
    """The folder of the sweep with that id on this node, kept until `leave` or our death.

    It may not be there yet. Folders that no process uses any more are removed; a sweep under way
    whose folder that happens to be downloads again when it comes back.
    """
    root = _root()
    lock = safe_join(root, f"{sweep}.lock")
    if lock not in _held or not _is_at(_held[lock], lock):
        _remove_unused(root)
        _held[lock] = _share(lock)
    return safe_join(root, sweep)


def leave(sweep: str) -> None:
    """Remove that sweep's folder from this node, and those that no process uses any more."""
    root = _root()
    shutil.rmtree(safe_join(root, sweep), ignore_errors=True)
    safe_join(root, f"{sweep}.lock").unlink(missing_ok=True)
    _remove_unused(root)
    with suppress(OSError):  # not empty: other sweeps use it
        root.rmdir()


def _root() -> Path:
    """For this user alone: trials trust what lies there, having checked it once.

    Raises TrackingError where somebody else made it.
    """
    root = Path(tempfile.gettempdir()) / f"raysweep-inputs-{os.getuid()}"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_own(root):
        raise TrackingError(
            f"{root}: belongs to another user; remove it, or set TMPDIR where Ray is started"
        )
    return root


def _share(lock: Path) -> int:
    """Hold the lock together with others. One that was removed meanwhile would tell nobody."""
    while True:
        _root()
        with suppress(FileNotFoundError):  # the last sweep to end has removed the root
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if _is_at(handle, lock):
                return handle
            os.close(handle)


def _is_at(handle: int, lock: Path) -> bool:
    """Whether that open file is the one that others find there."""
    return lock.exists() and os.path.samestat(os.fstat(handle), lock.stat())


def _remove_unused(root: Path) -> None:
    for lock in root.glob("*.lock"):
        try:
            handle = os.open(lock, os.O_RDWR)
        except FileNotFoundError:  # somebody else removed it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # in use
        finally:
            os.close(handle)
