"""Give a sweep up when its trials fail one after the other with the same cause and none succeeds.

Otherwise a typo in a loss function would cost every trial of the sweep.
"""

from __future__ import annotations

import re

from raysweep.config.failure import Failure


class Hopeless(Exception):
    """The sweep was given up. It can be resumed once the cause is fixed. `trial` is the last that
    failed, with `traceback`."""

    def __init__(self, message: str, trial: str, traceback: str | None) -> None:
        super().__init__(message)
        self.trial, self.traceback = trial, traceback


class FailedFast(BaseException):
    """The first trial that failed ends the sweep, as was asked for. It is not an Exception: after
    one, Tune ends the trials as if they were finished, and they would log models."""

    def __init__(self, trial: str, failure: Failure, raised: str | None) -> None:
        """`raised`: the exception, pickled, in hexadecimal digits."""
        super().__init__(f"{trial} failed: {failure.error}")
        self.trial, self.failure, self.raised = trial, failure, raised


class Failures:
    """Counts consecutive failures with the same cause, in the order in which trials ended."""

    def __init__(self, most: int | None) -> None:
        """`most`: how many failures give the sweep up; 0 or None: any number is accepted."""
        self._most = most or None
        self._row: list[str] = []
        self._any_succeeded = False
        self._last = ("", Failure(""))

    def see(self, trial: str, failure: Failure | None) -> None:
        """Record how a trial ended: with `failure`, or successfully (None)."""
        error = None if failure is None else failure.error
        if failure is not None:
            self._last = trial, failure
        if error is None:
            self._any_succeeded = True
        elif self._row and cause(error) != cause(self._row[-1]):
            self._row = [error]
        else:
            self._row.append(error)

    @property
    def hopeless(self) -> bool:
        """Whether no more trials are to start. A running one may still succeed and change that."""
        enough = self._most is not None and len(self._row) >= self._most
        return enough and not self._any_succeeded

    def check(self, sweep: str) -> None:
        """Raise Hopeless if the sweep is given up."""
        if self.hopeless:
            trial, failure = self._last
            raise Hopeless(
                f"{sweep} stopped: {len(self._row)} trials in a row failed with the same cause and "
                f"none has completed ({self._row[-1]})",
                *(trial, failure.traceback),
            )


def cause(error: str) -> str:
    """Return what two failures with the same cause have in common: the exception's type, text and
    place, without numbers, which follow from a trial's values."""
    return re.sub(r"0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", "#", error)
