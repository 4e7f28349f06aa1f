"""Push changes in a background thread while a driver works, and once more at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from raysweep.errors import UserError
from raysweep.storage.bucket.hung import note_hung
from raysweep.storage.bucket.lease import Lease, taken_over
from raysweep.storage.bucket.object_store import ObjectStore, why
from raysweep.storage.bucket.replica import Replica

Tell = Callable[[str], None]


@dataclass(frozen=True)
class PushPace:
    """Seconds between pushes (`turn_s`); timeouts of the last push: without progress (`stalled_s`),
    or in total if interrupted; and its retries."""

    turn_s: float = 5
    stalled_s: float = 60
    interrupted_s: float = 5
    attempts: int = 3
    again_s: float = 2


class Pusher:
    """Pushes in the background from `start` until `finish`, without blocking the driver."""

    def __init__(
        self,
        replica: Replica,
        store: ObjectStore,
        lease: Lease,
        root: Path,
        tell: Tell,
        pace: PushPace,
    ) -> None:
        self._replica, self._store, self._lease, self._root = replica, store, lease, root
        self._tell, self._pace = tell, pace
        self._ended = threading.Event()
        self._failing = False
        self._failure: str | None = "the push ended early"  # unless the last one succeeds
        self._thread = threading.Thread(target=self._work, name="raysweep-push", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self, interrupted: bool) -> bool:
        """Push the rest; return whether everything is at the URI. If not, report where it is."""
        self._ended.set()
        end = time.monotonic() + self._pace.interrupted_s
        self._store.moved_at = time.monotonic()
        try:
            while self._thread.is_alive():
                self._thread.join(0.1)
                stalled = time.monotonic() - self._store.moved_at > self._pace.stalled_s
                if stalled or (interrupted and time.monotonic() > end):
                    self._store.given_up, self._failure = True, "it took too long"
                    note_hung(self._thread)
                    break
        except KeyboardInterrupt:
            self._store.given_up = True
            self._tell_kept("interrupted")
            raise
        if self._failure is not None and self._lease.lost_to is None:
            self._tell_kept(self._failure)
        return self._failure is None

    def _tell_kept(self, reason: str) -> None:
        self._tell(
            f"{self._store.uri}: is incomplete ({reason}); nothing is lost: everything is in "
            f"{self._root}, and the next command of this machine that writes to that URI uploads it"
        )

    def _work(self) -> None:
        pause = self._pace.turn_s
        while not self._ended.wait(pause):
            started = time.monotonic()
            self._turn()
            # Push at most a quarter of the time: the user needs a slow line, too.
            pause = max(self._pace.turn_s, 3 * (time.monotonic() - started))
        self._last_turn()

    def _turn(self) -> None:
        error = self._push()
        if error is None:
            self._failing = False
        elif not self._failing and self._lease.lost_to is None:
            self._failing = True
            self._tell(f"{self._store.uri}: cannot be written now ({error}); retrying")

    def _last_turn(self) -> None:
        for attempt in range(self._pace.attempts):
            self._failure = self._push()
            if self._failure is None or self._lease.lost_to is not None:
                return
            if attempt + 1 < self._pace.attempts:
                time.sleep(self._pace.again_s)

    def _push(self) -> str | None:
        """Push; return the reason of a failure, or None."""
        try:
            if self._lease.lost_to is not None:
                return taken_over(self._lease.lost_to)
            self._lease.what = _newest(self._root) or self._lease.what
            if self._replica.is_behind():
                self._replica.push()
        except (OSError, UserError) as error:  # unreachable, or what is there is damaged
            return why(error)
        return None


def _newest(root: Path) -> str | None:
    """Return the sweep with the newest record: the one that is being written."""
    records = [
        (path.stat().st_mtime_ns, path.parent.name) for path in root.glob("[!.]*/sweep.json")
    ]
    return f"sweep {max(records)[1]}" if records else None
