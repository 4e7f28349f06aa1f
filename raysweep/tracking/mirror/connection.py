"""One process's way to W&B, which may be lost, and found again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, StoreFailed, TrackingError

T = TypeVar("T")

SLOW_S = 5.0
"""A call that failed after more than this was not refused: the client tried again and again."""

REFUSALS = 3
"""So many refused calls in a row, and the server counts as lost: it refuses everything."""


class Unsent(TrackingError):
    """W&B was not told: it cannot be reached, or it refused this one call."""


@dataclass(frozen=True)
class Pace:
    """How a lost connection is looked for, in seconds: `first_s` after the first loss, twice as
    long after each further one up to `longest_s`, and then every `again_s` until it is there."""

    first_s: float = 5
    longest_s: float = 600
    again_s: float = 15


class Connection:
    """This process's way to W&B.

    A call that fails while the server is there was refused, and the next may go through. Otherwise,
    and after REFUSALS in a row, the connection is lost: calls return at once, so that nobody waits,
    while a thread in the background looks for the server by `probe`. When that finds it, calls are
    sent again.
    """

    def __init__(self, lost: str | None = None, pace: Pace | None = None) -> None:
        """`lost`: why it is known to be lost from the beginning."""
        self._lost = lost
        self._pace = pace or Pace()
        self._losses = self._refused = 0
        self._last_loss = 0.0
        self._closed = threading.Event()
        self._search: threading.Thread | None = None

    @property
    def lost(self) -> str | None:
        """Why W&B cannot be reached; None where it can."""
        return self._lost

    def attempt(
        self,
        call: Callable[[], T],
        knock: Callable[[], None],
        probe: Callable[[], object],
        *,
        asks: bool = True,
    ) -> T:
        """What the call gives. Raises Unsent where W&B cannot be reached or refuses the call.

        ArtifactNotFound is an answer, and raised as it is. `knock` is a quick look whether the
        server is there; `asks` says that the call would wait for a server that is not.
        """
        if self._lost is not None:
            self._look_for_it(probe)
            raise Unsent(self._lost)
        began = time.monotonic()
        try:
            if asks:
                knock()
            answer = call()
        except (ArtifactNotFound, StoreFailed):
            raise
        except TrackingError as error:
            self._refused += 1
            if self._refused >= REFUSALS or is_lost(began, knock):
                self._lose(str(error), probe)
            raise Unsent(str(error)) from error
        if asks:
            self._refused = 0
        return answer

    def _lose(self, why: str, probe: Callable[[], object]) -> None:
        """Take W&B for unreachable, and begin to look for it."""
        now = time.monotonic()
        quiet_s = 2 * self._pace.longest_s
        self._losses = self._losses + 1 if now - self._last_loss < quiet_s else 1
        self._last_loss = now
        self._refused = 0
        self._lost = why
        self._look_for_it(probe)

    def close(self) -> None:
        """Stop looking for the server."""
        self._closed.set()

    def _look_for_it(self, probe: Callable[[], object]) -> None:
        if self._search is None and not self._closed.is_set():
            self._search = threading.Thread(
                target=self._look, args=(probe,), name="raysweep-looks-for-wandb", daemon=True
            )
            self._search.start()

    def _look(self, probe: Callable[[], object]) -> None:
        """Until it is found. A server that answers this and fails again is waited for longer."""
        pace = self._pace
        wait_s = min(pace.first_s * 2 ** max(self._losses - 1, 0), pace.longest_s)
        while not self._closed.wait(wait_s):
            try:
                probe()
            except TrackingError:
                wait_s = max(wait_s, pace.again_s)
                continue
            self._search = None
            self._lost = None
            return

    def __reduce__(self) -> tuple[type[Connection], tuple[str | None, Pace]]:
        """Another process has a way of its own, and need not find out what this one knows."""
        return Connection, (self._lost, self._pace)


def is_lost(began: float, knock: Callable[[], None]) -> bool:
    """Whether a call that failed, begun at `began` (time.monotonic()), says that the server is not
    there: it took long, as the client tried again, or nobody opens now."""
    if time.monotonic() - began > SLOW_S:
        return True
    try:
        knock()
    except TrackingError:
        return True
    return False
