"""How a program's trial fails. No traceback of raysweep's own is shown for it."""

from __future__ import annotations

from raysweep.config.failure import Failure


class ProgramFailed(Exception):
    """The program ended with another exit code than 0, took too long, or logged no score."""

    printed = True
    """See `config.failure.logged`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        Failure(f"{type(self).__name__}: {message}").noted_in(self)


class ProgramKilled(Exception):
    """The program was killed by a signal that raysweep did not send: out of memory, perhaps."""

    printed = True
    """See `config.failure.logged`."""
