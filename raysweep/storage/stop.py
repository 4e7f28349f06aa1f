"""What ends a sweep at once, to be resumed: a storage that takes nothing more."""

from __future__ import annotations

from raysweep.errors import StoreFailed
from raysweep.paths import is_of_the_disk


class StorageLost(BaseException):
    """The storage cannot be written. No Exception: at one, Tune ends the trials as if they were
    done, and they would log models."""


def is_of_the_storage(error: BaseException) -> bool:
    """Whether it is the storage's fault, and not the trial's: each other one would meet it, too."""
    return is_of_the_disk(error) or isinstance(error, StoreFailed)
