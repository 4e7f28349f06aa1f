"""Whether a sweep's driver is alive: it holds a lock in the sweep's folder, which death lets go of.

A driver that is killed outright cannot close its runs. The next sweep of the storage does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from raysweep.errors import UserError
from raysweep.pipeline.storage.storage import Storage, SweepFolder, SweepRecord

LOCK = "running.lock"


def claim(folder: SweepFolder) -> FileLock:
    """Say that this process drives the sweep, until `release`."""
    lock = FileLock(folder.path / LOCK)
    lock.acquire()
    return lock


def release(lock: FileLock) -> None:
    """Say that the sweep has ended. The file goes first: who sees it can tell that it is held."""
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
        lock.acquire(timeout=0)
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
    """Whether a process of this machine drives the sweep now."""
    path = folder.path / LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def left_locked(folder: SweepFolder) -> bool:
    """Whether who drove or looked after the sweep was killed, and nobody has done so since."""
    return (folder.path / LOCK).exists() and not is_driven(folder)


def abandoned(storage: Storage, like: SweepRecord) -> Iterator[SweepFolder]:
    """The sweeps of `like`'s tracker and project, itself left out, that ended without a word.

    Each is claimed while its turn lasts, and told once.
    """
    for path in storage.root.glob(f"*/{LOCK}"):
        folder = SweepFolder(path.parent)
        try:
            record = folder.record()
        except UserError:  # damaged, or removed meanwhile: not ours to tell
            continue
        if record.name == like.name or not _same_project(record, like):
            continue
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # under way, or another sweep is looking after it
            continue
        try:
            yield folder
        except BaseException:  # it was not looked after: the next sweep finds it again
            lock.release()
            raise
        release(lock)


def _same_project(one: SweepRecord, other: SweepRecord) -> bool:
    return (one.tracker, one.project, one.entity) == (other.tracker, other.project, other.entity)
