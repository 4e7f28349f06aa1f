"""A sweep's folder on a node other than its driver's, below that node's temporary folder.

Each process that uses the folder holds a shared lock on a file beside it. The kernel releases the
lock when the process dies. So the next process on the node can tell a folder in use from one whose
sweep was killed, and removes the latter.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from raysweep.errors import TrackingError
from raysweep.paths import is_own, safe_join

_held: dict[Path, int] = {}
"""Lock files that this process keeps open until it ends."""


def enter(sweep: str) -> Path:
    """Return the folder of the sweep with the id `sweep` on this node, and lock it until this
    process ends or `leave` is called.

    The folder may not exist yet. Folders that no process uses are removed. If one of them belongs
    to a sweep that still runs, its next process on this node downloads the files again.
    """
    root = _root()
    lock = safe_join(root, f"{sweep}.lock")
    if lock not in _held or not _is_at(_held[lock], lock):
        _remove_unused(root)
        _held[lock] = _share(lock)
    return safe_join(root, sweep)


def filled_once(folder: Path, fill: Callable[[Path], object]) -> Path:
    """Return the folder; if it is not there, call `fill` with the place to make it in.

    One process of this node does so while the others wait for its lock. The folder gets its name by
    an atomic rename, once it is complete.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)  # left by a process that died
            fill(partial)
            partial.rename(folder)
    return folder


def leave(sweep: str) -> None:
    """Remove the sweep's folder from this node, and every folder that no process uses."""
    root = _root()
    shutil.rmtree(safe_join(root, sweep), ignore_errors=True)
    safe_join(root, f"{sweep}.lock").unlink(missing_ok=True)
    _remove_unused(root)
    with suppress(OSError):  # not empty: other sweeps use it
        root.rmdir()


def _root() -> Path:
    """Create the root folder, readable by this user alone: trials trust files there after checking
    them once.

    Raises TrackingError where it belongs to another user.
    """
    root = Path(tempfile.gettempdir()) / f"raysweep-inputs-{os.getuid()}"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_own(root):
        raise TrackingError(
            f"{root}: belongs to another user; remove it, or set TMPDIR where Ray is started"
        )
    return root


def _share(lock: Path) -> int:
    """Take the shared lock. If the file was removed meanwhile, try again: other processes would not
    see a lock on a file without a name."""
    while True:
        _root()
        with suppress(FileNotFoundError):  # the last sweep to end removed the root
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if _is_at(handle, lock):
                return handle
            os.close(handle)


def _is_at(handle: int, lock: Path) -> bool:
    """Return whether the open file `handle` is still the one at the path `lock`."""
    return lock.exists() and os.path.samestat(os.fstat(handle), lock.stat())


def _remove_unused(root: Path) -> None:
    for lock in root.glob("*.lock"):
        try:
            handle = os.open(lock, os.O_RDWR)
        except FileNotFoundError:  # another process removed it
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # in use
        finally:
            os.close(handle)
