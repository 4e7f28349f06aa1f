"""Ctrl-C and SIGTERM, which Ray and Tune take for themselves and do not give back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def given_back() -> Iterator[None]:
    """When the block ends, the handlers are those from before it.

    `ray.init` sets one for SIGTERM that exits without a word, and `Tuner.fit` one for SIGINT that
    swallows the first Ctrl-C after it. Where the process had none of its own, Ray's stays: it ends
    Ray's processes, which the kernel's default would not.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can they be set
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)
