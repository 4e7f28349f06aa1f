"""Whether a sweep's driver is alive: it holds a lock in the sweep's folder, which death lets go of.

A driver that is killed outright cannot close its runs. The next sweep of the storage does.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from raysweep.errors import UserError
from raysweep.storage.record import sweep_names, to_stderr
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder

LOCK = "running.lock"

LOOK_S = 1
"""For how long who takes a sweep up waits where its lock is held: it may be `list` that looks at
it, which takes microseconds."""


def claim(folder: SweepFolder) -> FileLock:
    """Say that this process drives the sweep, until `release`."""
    lock = FileLock(folder.path / LOCK)
    lock.acquire()
    return lock


def release(lock: FileLock) -> None:
    """Say that the sweep has ended. The file goes first: who sees it can tell that it is held.

    Whoever had opened the file meanwhile and gets the lock finds that it has no name any more, and
    tries again (filelock does, since 4.0). Where the file cannot go, it stays: the next sweep of
    the storage looks again, in vain.
    """
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


@contextmanager
def taken_up(folder: SweepFolder) -> Iterator[None]:
    """Drive or look after a sweep whose driver is gone, and keep others from it meanwhile.

    Raises UserError where it is under way. One whose driver was killed is not.
    """
    lock = FileLock(folder.path / LOCK)
    left = Path(lock.lock_file).exists()
    try:
        lock.acquire(timeout=LOOK_S)
    except Timeout:
        raise UserError(
            f"{folder.path.name}: is still running, driven by another process; wait for its end, "
            "or interrupt it first"
        ) from None
    except OSError as error:
        raise UserError(
            f"{folder.path}: cannot be written ({error.strerror}); make it writable, and try again"
        ) from error
    try:
        yield
    except UserError:  # nothing was done: if its driver was killed, its runs are still to be closed
        if left:
            lock.release()
        raise
    finally:
        if lock.is_locked:
            release(lock)


def is_driven(folder: SweepFolder) -> bool:
    """Whether a process of this machine drives the sweep now, or may: another user's lock need not
    be readable. Looks through a shared lock of a moment, which keeps no other look from the same
    answer, and makes no file."""
    try:
        handle = os.open(folder.path / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def left_locked(folder: SweepFolder) -> bool:
    """Whether who drove or looked after the sweep was killed, and nobody has done so since."""
    return os.path.lexists(folder.path / LOCK) and not is_driven(folder)


def abandoned(
    storage: Storage, like: SweepRecord, passed_over: Callable[[str], None] = to_stderr
) -> Iterator[SweepFolder]:
    """The sweeps of `like`'s tracker and project, itself left out, that ended without a word.

    Each is claimed while its turn lasts, and given once. `passed_over` is told, in a line, of one
    that cannot be claimed though nobody drives it: it is another user's.
    """
    for name in sweep_names(storage.root):
        try:
            folder = storage.folder(name)
            if not os.path.lexists(folder.path / LOCK):
                continue
            record = folder.record()
        except UserError:  # damaged, or removed meanwhile: not ours to tell
            continue
        if record.name == like.name or not _same_project(record, like):
            continue
        lock = FileLock(folder.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # under way, or another sweep is looking after it
            continue
        except OSError as error:
            if not is_driven(folder):
                passed_over(
                    f"{folder.path / LOCK}: cannot be opened ({error.strerror}), so the runs of "
                    f"{name}, whose driver is gone, stay open: a sweep of its own user closes them"
                )
            continue
        try:
            yield folder
        except BaseException:  # it was not looked after: the next sweep finds it again
            lock.release()
            raise
        release(lock)


def _same_project(one: SweepRecord, other: SweepRecord) -> bool:
    return (one.tracker, one.project, one.entity) == (other.tracker, other.project, other.entity)
