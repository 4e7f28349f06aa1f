"""One process's connection to W&B, which may be lost and restored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from raysweep.errors import ArtifactNotFound, StoreFailed, TrackingError

T = TypeVar("T")

SLOW_S = 5.0
"""A call that failed after more than this was not refused: the client retried until it gave up."""

REFUSALS = 3
"""After this many refused calls in a row the server counts as lost: it refuses everything."""


class Unsent(TrackingError):
    """The call did not reach W&B: it is unreachable, or it refused this call."""


@dataclass(frozen=True)
class Pace:
    """When a lost connection is probed, in seconds: `first_s` after the first loss, twice as long
    after each further loss up to `longest_s`, and then every `again_s` until the server answers."""

    first_s: float = 5
    longest_s: float = 600
    again_s: float = 15


class Connection:
    """This process's connection to W&B.

    If a call fails while the server is reachable, it was refused; the next may succeed. Otherwise,
    and after REFUSALS in a row, the connection is lost: calls fail at once, without waiting, while
    a background thread probes the server. When it answers, calls are sent again.
    """

    def __init__(self, lost: str | None = None, pace: Pace | None = None) -> None:
        """`lost`: the reason, if it is lost from the beginning."""
        self._lost = lost
        self._pace = pace or Pace()
        self._losses = self._refused = 0
        self._last_loss = 0.0
        self._closed = threading.Event()
        self._search: threading.Thread | None = None

    @property
    def lost(self) -> str | None:
        """Why W&B is unreachable; None if it is reachable."""
        return self._lost

    def attempt(
        self,
        call: Callable[[], T],
        knock: Callable[[], None],
        probe: Callable[[], object],
        *,
        asks: bool = True,
    ) -> T:
        """Return the call's result. Raises Unsent if W&B is unreachable or refuses the call.

        ArtifactNotFound is an answer and raised unchanged. `knock` quickly checks whether the
        server is reachable; `asks` says that the call itself would wait for an unreachable server.
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
        """Mark W&B as unreachable and start probing it."""
        now = time.monotonic()
        quiet_s = 2 * self._pace.longest_s
        self._losses = self._losses + 1 if now - self._last_loss < quiet_s else 1
        self._last_loss = now
        self._refused = 0
        self._lost = why
        self._look_for_it(probe)

    def close(self) -> None:
        """Stop probing the server."""
        self._closed.set()

    def _look_for_it(self, probe: Callable[[], object]) -> None:
        if self._search is None and not self._closed.is_set():
            self._search = threading.Thread(
                target=self._look, args=(probe,), name="raysweep-looks-for-wandb", daemon=True
            )
            self._search.start()

    def _look(self, probe: Callable[[], object]) -> None:
        """Probe until the server answers; wait longer if it answered a probe but then failed."""
        pace = self._pace
        wait_s = min(pace.first_s * 2 ** max(self._losses - 1, 0), pace.longest_s)
        try:
            while not self._closed.wait(wait_s):
                try:
                    probe()
                except TrackingError:
                    wait_s = max(wait_s, pace.again_s)
                    continue
                self._lost = None
                return
        finally:
            self._search = None  # whatever a probe raises, the next call probes again

    def __reduce__(self) -> tuple[type[Connection], tuple[str | None, Pace]]:
        """Pickle the known state, not the thread: another process makes its own connection."""
        return Connection, (self._lost, self._pace)


def is_lost(began: float, knock: Callable[[], None]) -> bool:
    """Whether a failed call, begun at `began` (time.monotonic()), means that the server is
    unreachable: the call took long, because the client retried, or the server refuses now."""
    if time.monotonic() - began > SLOW_S:
        return True
    try:
        knock()
    except TrackingError:
        return True
    return False
