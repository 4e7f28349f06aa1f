"""How a program ends, in a trial or once: killed by a signal, with an exception, or too late."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raysweep.config.failure import Failure
from raysweep.trials.program.errors import ProgramKilled
from raysweep.trials.program.process.command import python_of
from raysweep.trials.program.process.raised import exception_in, last_line, last_traceback, place_in


def check_signal(code: int) -> None:
    """Raise ProgramKilled for the exit code of a program that a signal has killed. Of the codes by
    which a shell says so, 128 + the signal's number, only SIGKILL's counts: programs choose the
    others, too."""
    number = -code if code < 0 else code - 128
    if code >= 0 and number != signal.SIGKILL:
        return
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        name = f"signal {number}"
    perhaps = ": out of memory, perhaps" if number == signal.SIGKILL else ""
    raise ProgramKilled(f"the program was killed by {name}{perhaps}")


@dataclass(frozen=True)
class Said:
    """What ended a program, as its stderr has it. `exception`: `ValueError: no (train.py:12)`,
    `place`: with the whole path; None where there was no traceback. `line`: the last one. `python`:
    the interpreter, where it lacks a module: perhaps it is not the one that was meant."""

    exception: str | None
    place: str | None
    traceback: str | None
    line: str | None = None
    python: str | None = None

    @staticmethod
    def of(stderr: str, folders: Sequence[Path], users: Path, words: Sequence[str]) -> Said:
        """Read the end of a program's stderr. `folders`: those with its files; `users`: the one in
        which the user looks for them; `words`: its command line."""
        exception = exception_in(stderr, folders)
        traceback = last_traceback(stderr, folders, users)
        lacks = (exception or "").startswith(ModuleNotFoundError.__name__)
        return Said(
            exception,
            place_in(exception or "", users),
            traceback,
            last_line(stderr),
            python_of(words) if lacks else None,
        )

    @property
    def why(self) -> str:
        """The end of a message: `: ValueError: no (train.py:12)`, `; it said: train.py: error:
        unrecognized arguments: --lr=0.1`, or nothing."""
        if self.exception is not None:
            return f": {self.exception}" + (f"; it ran with {self.python}" if self.python else "")
        return "" if self.line is None else f"; it said: {self.line}"

    def noted_in(self, error: BaseException, cause: str) -> None:
        """Keep place and traceback with the error, whose cause is called `cause`."""
        Failure(cause, self.place, self.traceback).noted_in(error)


class Deadline:
    """The time that a program has, from now on: `program.timeout` seconds; None: all of it."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._started = time.monotonic()

    def passed(self) -> str | None:
        """Return the line that says that it took too long; None as long as it has time."""
        if self._timeout_s is None or time.monotonic() - self._started <= self._timeout_s:
            return None
        return f"took longer than program.timeout, {self._timeout_s:g} s"
