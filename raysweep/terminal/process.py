"""A command as a process: whose its stdout is, and what signals do to it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
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
    """SIGTERM, or a terminal that closes, ends a command as Ctrl-C does; a second one, at once."""
    # Ray blocks it in all that its job server starts: a job would not hear that it is stopped.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    asked = [0]

    def interrupt(*_: object) -> None:
        asked[0] += 1
        if asked[0] > 1:
            from raysweep.pipeline.cluster.signals import end_at_once

            end_at_once()
        os.write(2, b"raysweep: stopping; once more ends it at once\n")
        raise KeyboardInterrupt

    handlers = {
        signal.SIGINT: interrupt,
        signal.SIGTERM: lambda *_: signal.raise_signal(signal.SIGINT),
        signal.SIGHUP: lambda *_: signal.raise_signal(signal.SIGINT),
    }
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN  # `nohup` means to go on
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
