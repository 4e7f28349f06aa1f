"""Claim a sweep: its driver holds a file lock in the sweep's folder, which is released on death.

A driver that is killed cannot close its runs. The next sweep of the storage closes them.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from raysweep.errors import UserError
from raysweep.locks import is_held
from raysweep.stderr import to_stderr
from raysweep.storage.record import sweep_names
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking.busy import holders

LOCK = "running.lock"

STOP_S = 60
"""How long an interrupted driver may take to end: it closes its runs and ends its Ray."""

LOOK_S = 1
"""How long a claim waits for a held lock: `list` may be checking it, which takes microseconds."""


def claim(folder: SweepFolder) -> FileLock:
    """Claim a new sweep for this process, until `release`."""
    lock = FileLock(folder.path / LOCK)
    lock.acquire()
    return lock


def release(lock: FileLock) -> None:
    """Release the claim of a sweep that has ended. The file is removed before it is unlocked, so
    that an existing file always means that the sweep was claimed and not released.

    A process that opened the file meanwhile and gets the lock finds the file deleted, and retries
    (filelock does, since 4.0). If the file cannot be removed, it stays, and the next sweep of the
    storage checks it once more, in vain.
    """
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


@contextmanager
def reclaimed(folder: SweepFolder) -> Iterator[None]:
    """Claim a sweep whose driver is gone for the block, to resume it or to clean it up.

    Raises UserError if its driver is alive.
    """
    lock = FileLock(folder.path / LOCK)
    left = Path(lock.lock_file).exists()
    try:
        lock.acquire(timeout=LOOK_S)
    except Timeout:
        raise UserError(
            f"{folder.path.name}: is still running in another process; wait until it ends, "
            "or interrupt it first"
        ) from None
    except OSError as error:
        raise UserError(
            f"{folder.path}: cannot be written ({error.strerror}); make it writable, and try again"
        ) from error
    try:
        yield
    except UserError:  # nothing was done: runs of a killed driver must still be closed
        if left:
            lock.release()
        raise
    finally:
        if lock.is_locked:
            release(lock)


def is_driven(folder: SweepFolder) -> bool:
    """Return whether a process of this machine drives the sweep, or may: another user's lock may
    be unreadable."""
    try:
        return is_held(folder.path / LOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def stop_driver(folder: SweepFolder, patience_s: float = STOP_S) -> None:
    """Interrupt the sweep's driver, as Ctrl-C does, and wait until it has ended.

    Raises UserError if it is unknown, another user's, or does not end in time.
    """
    name, lock = folder.path.name, folder.path / LOCK
    pids = [pid for pid in holders([lock]) if pid != os.getpid()]
    try:
        if not pids:
            raise UserError(f"{name}: runs in a process that this machine does not know; end it")
        os.kill(pids[0], signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise UserError(f"{name}: process {pids[0]} drives it, which is another user's") from error
    end = time.monotonic() + patience_s
    while is_driven(folder):
        if time.monotonic() > end:
            raise UserError(f"{name}: process {pids[0]} drives it and does not end; end it first")
        time.sleep(0.1)


def is_orphaned(folder: SweepFolder) -> bool:
    """Return whether the sweep's last driver was killed and nothing has cleaned up since."""
    return os.path.lexists(folder.path / LOCK) and not is_driven(folder)


def abandoned(
    storage: Storage, like: SweepRecord, on_skipped: Callable[[str], None] = to_stderr
) -> Iterator[SweepFolder]:
    """Yield the orphaned sweeps of `like`'s tracker and project, except `like` itself.

    Each is claimed during its turn, and yielded once. `on_skipped` is called with a line for one
    that has no driver but cannot be claimed, since it is another user's.
    """
    for name in sweep_names(storage.root):
        try:
            folder = storage.folder(name)
            if not os.path.lexists(folder.path / LOCK):
                continue
            record = folder.record()
        except UserError:  # damaged, or removed meanwhile: not reported here
            continue
        if record.name == like.name or not _same_project(record, like):
            continue
        lock = FileLock(folder.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # running, or another sweep is cleaning it up
            continue
        except OSError as error:
            if not is_driven(folder):
                on_skipped(
                    f"{folder.path / LOCK}: cannot be opened ({error.strerror}), so the runs of "
                    f"{name}, whose driver is gone, stay open: a sweep of the same user closes them"
                )
            continue
        try:
            yield folder
        except BaseException:  # not cleaned up: the next sweep finds it again
            lock.release()
            raise
        release(lock)


def _same_project(one: SweepRecord, other: SweepRecord) -> bool:
    return (one.tracker, one.project, one.entity) == (other.tracker, other.project, other.entity)
