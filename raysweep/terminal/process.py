"""A command as a process: whose its stdout is, and what signals do to it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from raysweep.cluster.signals import STOPS, end_at_once, heeded
from raysweep.terminal.streams import lossy, to_nowhere


@contextmanager
def stdout_for_json(wanted: bool) -> Iterator[Any]:
    """Give stdout to the one JSON object: whatever else prints to it, here or in C, is human."""
    if not wanted:
        yield sys.stdout
        return
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        stdout, sys.stdout = sys.stdout, lossy(sys.stdout)
        try:
            yield out
        finally:
            try:
                stdout.flush()
            except OSError:  # what stderr does not take must not come out in the JSON's place
                to_nowhere(stdout)
            os.dup2(out.fileno(), 1)
            sys.stdout = stdout


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM, or a terminal that closes, ends a command as Ctrl-C does, however it was started.

    A shell without job control starts `command &` with Ctrl-C ignored, which says nothing of
    SIGTERM. `nohup` means to go on when the terminal closes.
    """
    # Ray blocks Ctrl-C in all that its job server starts: a job would not hear that it is stopped.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        with _handled(_interrupt, STOPS - {signal.SIGINT}) as numbers, heeded(numbers):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _interrupt(*_: object) -> None:
    """Do as on Ctrl-C: by its handler, which may be asyncio's; where it is ignored, by Python's."""
    if not callable(signal.getsignal(signal.SIGINT)):
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@contextmanager
def ended_by_the_second_interrupt() -> Iterator[None]:
    """For a command that tidies up for seconds: the first Ctrl-C is answered at once, and a second
    one ends it, to the very end of the process; so do a SIGTERM and a closed terminal. Others keep
    Python's own handler, which asyncio looks for."""
    asked = False

    def interrupt(*_: object) -> None:
        nonlocal asked
        if asked:
            end_at_once()
        asked = True
        with suppress(OSError):
            os.write(2, b"raysweep: stopping; once more ends it at once\n")
        raise KeyboardInterrupt

    heard = [number for number in STOPS if callable(signal.getsignal(number))]

    def ignore() -> None:
        """Python is about to give the signals back to the kernel, which would end the process
        without an exit code; and nothing is left to interrupt."""
        for number in heard:
            signal.signal(number, signal.SIG_IGN)

    atexit.register(ignore)  # before Ray's and W&B's own, and so called after them
    try:
        with _handled(interrupt, heard, for_good=lambda: asked):
            yield
    finally:
        if not asked:
            atexit.unregister(ignore)


@contextmanager
def _handled(
    handler: Callable[..., None],
    numbers: Iterable[signal.Signals],
    for_good: Callable[[], bool] = lambda: False,
) -> Iterator[frozenset[int]]:
    """With that handler for the signals, but for what is ignored; which ones it has.

    Gives back those that have it still at the end, but where it is to stay `for_good`.
    """
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield frozenset(before)
    finally:
        for number, former in before.items():
            if former is not None and signal.getsignal(number) == handler and not for_good():
                signal.signal(number, former)
