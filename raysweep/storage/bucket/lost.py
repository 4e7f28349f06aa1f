"""Stop a driver that has lost its lease."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from raysweep.storage.bucket.lease import Lease


@contextmanager
def stopped_when_lost(lease: Lease) -> Iterator[None]:
    """Interrupt the block, as Ctrl-C would, when another process takes the lease over.

    Only the main thread can be interrupted; a driver in another thread fails when it ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lease.on_lost = _interrupt_main
    try:
        if lease.lost_to is not None:
            raise KeyboardInterrupt
        yield
    except SystemExit:  # what another's handler of SIGTERM, as Ray's, makes of the signal below
        if lease.lost_to is None:
            raise
        raise KeyboardInterrupt from None
    finally:
        lease.on_lost = lambda: None


def _interrupt_main() -> None:
    """Send SIGINT, which also interrupts a blocking call of the main thread; SIGTERM if SIGINT is
    ignored, as a shell does for `command &`."""
    main = threading.main_thread().ident
    for number in (signal.SIGINT, signal.SIGTERM):
        if main is not None and callable(signal.getsignal(number)):
            signal.pthread_kill(main, number)
            return
