"""Stopping a driver whose right to write has gone to another."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from raysweep.storage.bucket.lease import Lease


@contextmanager
def stopped_when_lost(lease: Lease) -> Iterator[None]:
    """Within it, interrupt the caller as Ctrl-C would when another process has taken the lease: all
    that it would do from then on is another's to do.

    Only the main thread can be interrupted; what another one drives ends by itself, and fails then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lease.on_lost = _interrupt_main
    try:
        if lease.lost_to is not None:
            raise KeyboardInterrupt
        yield
    finally:
        lease.on_lost = lambda: None


def _interrupt_main() -> None:
    """By the signal itself, which also ends what the thread waits for."""
    main = threading.main_thread().ident
    if main is not None and callable(signal.getsignal(signal.SIGINT)):
        signal.pthread_kill(main, signal.SIGINT)
