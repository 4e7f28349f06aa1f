"""A command as a process: whose its stdout is, and what signals do to it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def stdout_for_json(wanted: bool) -> Iterator[Any]:
    """Give stdout to the one JSON object: whatever else prints to it, here or in C, is human."""
    if not wanted:
        yield sys.stdout
        return
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            yield out
        finally:
            sys.stdout.flush()
            os.dup2(out.fileno(), 1)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM, or a terminal that closes, ends a command as Ctrl-C does."""
    # Ray blocks it in all that its job server starts: a job would not hear that it is stopped.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    with _handled({signal.SIGTERM: interrupt, signal.SIGHUP: interrupt}):
        yield


@contextmanager
def ended_by_the_second_interrupt() -> Iterator[None]:
    """For a command that tidies up for seconds: the first Ctrl-C is answered at once, and a second
    one ends it, to the very end of the process. Others keep Python's own handler, which asyncio
    looks for."""
    asked = False

    def interrupt(*_: object) -> None:
        nonlocal asked
        if asked:
            from raysweep.pipeline.cluster.signals import end_at_once

            end_at_once()
        asked = True
        os.write(2, b"raysweep: stopping; once more ends it at once\n")
        raise KeyboardInterrupt

    def ignore() -> None:
        """Python is about to give the signal back to the kernel, which would end the process
        without an exit code; and nothing is left to interrupt."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield
        return
    atexit.register(ignore)  # before Ray's and W&B's own, and so called after them
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if not asked:
            signal.signal(signal.SIGINT, before)
            atexit.unregister(ignore)


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[..., None]]) -> Iterator[None]:
    """With these handlers, but for what is ignored: `nohup` means to go on."""
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
