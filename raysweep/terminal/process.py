"""A command's process: its stdout and its signals."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from raysweep.cluster.signals import STOPS, end_at_once, give_up_lost_ray, interrupting, stopped
from raysweep.terminal.streams import lossy, to_nowhere


@contextmanager
def stdout_for_json(wanted: bool) -> Iterator[Any]:
    """Reserve stdout for one JSON object: redirect other output, from Python or C, to stderr."""
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
            except OSError:  # never let output that stderr refuses go to stdout
                to_nowhere(stdout)
            os.dup2(out.fileno(), 1)
            sys.stdout = stdout


@contextmanager
def terminable() -> Iterator[None]:
    """Make SIGTERM and SIGHUP interrupt the command as Ctrl-C does, however it was started.

    A shell without job control starts `command &` with SIGINT ignored, which does not apply to
    SIGTERM. `nohup` ignores SIGHUP, and that stays.
    """
    # Ray blocks SIGINT in processes of its job server: a job could not be stopped by it.
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    try:
        with _handled(_interrupt, STOPS - {signal.SIGINT}) as numbers, interrupting(numbers):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _interrupt(*_: object) -> None:
    """Call the SIGINT handler, which may be asyncio's; if SIGINT is ignored, call Python's."""
    if not callable(signal.getsignal(signal.SIGINT)):
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@contextmanager
def ended_by_the_second_interrupt(first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """For a command whose clean-up takes seconds: report the first Ctrl-C at once, and exit on a
    second one, until the process ends. SIGTERM and SIGHUP act the same. Other commands keep
    Python's handler, which asyncio expects. `first` is called before the report, in the signal
    handler: it takes away what is drawn where the report will stand."""
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        if interrupted:
            end_at_once()
        interrupted = True
        first()
        with suppress(OSError):
            os.write(2, b"raysweep: stopping; once more ends it at once\n")
        give_up_lost_ray()
        raise KeyboardInterrupt

    handled = [number for number in STOPS if callable(signal.getsignal(number))]

    def ignore() -> None:
        """Ignore the signals: at exit Python restores the kernel's defaults, which would kill the
        process without an exit code; and nothing is left to interrupt."""
        for number in handled:
            signal.signal(number, signal.SIG_IGN)

    atexit.register(ignore)  # registered before Ray's and W&B's own, so called after them
    try:
        with _handled(interrupt, handled, for_good=lambda: interrupted):
            yield
    finally:
        stopped()
        if not interrupted:
            atexit.unregister(ignore)


@contextmanager
def _handled(
    handler: Callable[..., None],
    numbers: Iterable[signal.Signals],
    for_good: Callable[[], bool] = lambda: False,
) -> Iterator[frozenset[int]]:
    """Install the handler for those signals that are not ignored; yield their numbers.

    At the end restore those that still have it, unless it should stay (`for_good`).
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
