"""Faults to inject: what a server or a network does on a bad day, at a chosen operation."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

EVERY = "*"
"""Stands for any operation."""


@dataclass(frozen=True)
class Fault:
    """What happens instead of, or after, the operation."""

    kind: Literal["status", "hang", "cut"]
    status: int = 500
    retry_after_s: int | None = None
    hang_s: float = 0
    after: bool = False  # the operation is done, and only its answer is lost


def status(code: int, retry_after_s: int | None = None) -> Fault:
    """The server answers with that status, and `Retry-After` where seconds are given."""
    return Fault("status", status=code, retry_after_s=retry_after_s)


def hang(seconds: float) -> Fault:
    """The server does not answer for so long, and then closes the connection."""
    return Fault("hang", hang_s=seconds)


def cut(after: bool = False) -> Fault:
    """The connection is closed without an answer; `after`: when the operation is done."""
    return Fault("cut", after=after)


class Faults:
    """Faults that are due. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: list[tuple[str, Fault]] = []

    def add(self, operation: str, fault: Fault, times: int) -> None:
        """The next `times` requests of that operation (EVERY: of any) get the fault."""
        with self._lock:
            self._due += [(operation, fault)] * times

    def take(self, operation: str) -> Fault | None:
        """The fault of this request, if one is due; it is due no more."""
        with self._lock:
            for number, (wanted, fault) in enumerate(self._due):
                if wanted in (operation, EVERY):
                    del self._due[number]
                    return fault
        return None

    def take_left(self) -> list[str]:
        """The operations whose faults never came up; none is due any more."""
        with self._lock:
            left, self._due = self._due, []
        return [operation for operation, _ in left]
