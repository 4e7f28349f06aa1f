"""One process's way to W&B, which may be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, TrackingError

T = TypeVar("T")


class Connection:
    """This process's way to W&B. Lost once, it is not tried again: each try would be waited for."""

    def __init__(self) -> None:
        self.lost: str | None = None

    def attempt(self, call: Callable[[], T], first: Callable[[], None] | None = None) -> T | None:
        """What the call gives, or None where W&B cannot be had. ArtifactNotFound is an answer.

        `first` is a quick look whether the server is there, before a call that would try for long.
        """
        if self.lost is not None:
            return None
        try:
            if first is not None:
                first()
            return call()
        except ArtifactNotFound:
            raise
        except TrackingError as error:
            self.lost = str(error)
            return None

    def __reduce__(self) -> tuple[type[Connection], tuple[()]]:
        """Another process has a way of its own."""
        return Connection, ()
