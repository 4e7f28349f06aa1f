"""Stop a sweep at once, to be resumed later, if its storage cannot be written."""

from __future__ import annotations

from raysweep.errors import StoreFailed
from raysweep.paths import is_of_the_disk


class StorageLost(BaseException):
    """The storage cannot be written. It is not an Exception: after one, Tune ends the trials as if
    they were finished, and they would log models."""


def is_of_the_storage(error: BaseException) -> bool:
    """Whether the storage caused the error, not the trial: it would hit every other trial, too."""
    return is_of_the_disk(error) or isinstance(error, StoreFailed)
