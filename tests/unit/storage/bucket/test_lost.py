"""A driver that has lost its lease stops, however it was started."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from raysweep.storage.bucket.head import Holder
from raysweep.storage.bucket.lease import Lease
from raysweep.storage.bucket.lost import stopped_when_lost
from raysweep.storage.bucket.object_store import ObjectStore

from bucket_workshop import HURRIED


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _exit(number: int, _: object) -> None:
    sys.exit(number)


@pytest.fixture
def taken_over(uri: str) -> Iterator[Lease]:
    """The lease of a driver that slept: another one has it, and no heartbeat has told so yet."""
    slow, other = (
        Lease(ObjectStore.open(uri), Holder.me("a sweep", copy), HURRIED.lease)
        for copy in ("one", "two")
    )
    slow.take()
    slow._give_back = lambda: None  # type: ignore[method-assign]
    slow._ended.set()
    slow._thread.join()
    slow._ended.clear()
    other.take()
    yield slow
    other.release()


@pytest.mark.parametrize("sigterm", [_interrupt, _exit], ids=["a command's", "Ray's"])
def test_one_that_ignores_ctrl_c_stops(taken_over: Lease, sigterm: Callable[..., Any]) -> None:
    """A shell starts `command &` so."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, sigterm)

    def beat() -> None:
        with suppress(OSError):
            taken_over.beat()

    try:
        with pytest.raises(KeyboardInterrupt), stopped_when_lost(taken_over):
            threading.Thread(target=beat).start()
            time.sleep(20)
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert taken_over.lost_to is not None
