"""What ends a sweep at once, to be resumed: a storage that takes nothing more."""

from __future__ import annotations

import errno

from raysweep.errors import StoreFailed

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class StorageLost(BaseException):
    """The storage cannot be written. No Exception: at one, Tune ends the trials as if they were
    done, and they would log models."""


def is_of_the_storage(error: Exception) -> bool:
    """Whether it is the storage's fault, and not the trial's: each other one would meet it, too."""
    if isinstance(error, OSError):
        return error.errno in _OF_THE_DISK
    return isinstance(error, StoreFailed)
