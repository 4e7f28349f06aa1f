"""One writer a URI: `driver.json` there says who it is, and that it lives.

Two drivers would write over each other's database. An object store has no lock that death lets go
of, so the holder writes its lease anew every few seconds, and one that stays as it is for a minute
is a dead one's. That minute is measured on the clock of who waits: two machines' clocks differ.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from raysweep.errors import UserError
from raysweep.pipeline.storage.object_store import ObjectStore

LEASE = "driver.json"


@dataclass(frozen=True)
class LeasePace:
    """Seconds: between two signs of life, until none means death, and for two to see each other."""

    beat_s: float = 10
    stale_s: float = 60
    settle_s: float = 1


@dataclass(frozen=True)
class Holder:
    """Who writes to the URI. `copy` is its working copy: nobody else on its machine has that."""

    id: str
    host: str
    pid: int
    what: str
    since: str
    copy: str

    @staticmethod
    def me(what: str, copy: Path) -> Holder:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        return Holder(secrets.token_hex(8), machine(), os.getpid(), what, now, str(copy))


def machine() -> str:
    """This machine's name, and what tells it from others of the same name."""
    try:
        mark = Path("/etc/machine-id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        mark = ""
    return f"{socket.gethostname()} ({mark})" if mark else socket.gethostname()


NOBODY = Holder(id="", host="?", pid=0, what="another command", since="?", copy="")
"""Whoever took the lease over and has given it back since."""


class Lease:
    """The right to write to the URI, kept alive by a thread until `release`."""

    def __init__(self, store: ObjectStore, holder: Holder, pace: LeasePace) -> None:
        self._store, self._holder, self._pace = store, holder, pace
        self._ended = threading.Event()
        self._lost: Holder | None = None
        self._beats = 0
        self.what = holder.what
        """What is being done, for whoever is refused meanwhile; may change."""
        self._thread = threading.Thread(target=self._live, name="raysweep-lease", daemon=True)

    @property
    def lost_to(self) -> Holder | None:
        """Who took it over, this process having been silent for too long; None as it should be."""
        return self._lost

    def take(self, tell: Callable[[str], None] = lambda line: None) -> None:
        """Become the holder. Raises UserError where another one lives."""
        other, last = _read(self._store)
        if other is not None and not self._is_dead_here(other):
            tell(
                f"{self._store.uri}: was last written by {_told(other)}; "
                f"seeing whether that still runs ({self._pace.stale_s:g} s at most)"
            )
            self._wait_for_death(other, last)
        self._beat()
        try:
            time.sleep(self._pace.settle_s)
            winner, _ = _read(self._store)
        except BaseException:  # Ctrl-C in that moment
            self._give_back()
            raise
        if winner is None or winner.id != self._holder.id:
            raise _refused(self._store, winner)
        self._thread.start()

    def is_ours(self) -> bool:
        """Look again: a process that was asleep may have been taken for dead, and another one may
        have come and gone. Raises OSError where the URI cannot be read."""
        holder, _ = _read(self._store)
        if holder is None or holder.id != self._holder.id:
            self._lost = holder or NOBODY
        return self._lost is None

    def release(self) -> None:
        """Let others write. Its thread does it, for a beat at most: a server may hang."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._pace.beat_s)

    def _give_back(self) -> None:
        """What another has taken over stays."""
        holder, _ = _read(self._store)
        if holder is not None and holder.id == self._holder.id:
            self._store.delete(LEASE)

    def _is_dead_here(self, other: Holder) -> bool:
        """Whether it had this very working copy, which is ours now: its lock was let go of."""
        return (other.host, other.copy) == (self._holder.host, self._holder.copy)

    def _wait_for_death(self, other: Holder, last: bytes | None) -> None:
        start = time.monotonic()
        while time.monotonic() - start < self._pace.stale_s:
            time.sleep(self._pace.beat_s / 5)
            holder, now = _read(self._store)
            if holder is None:
                return
            if now != last:
                raise _refused(self._store, holder)

    def _live(self) -> None:
        while not self._ended.wait(self._pace.beat_s):
            try:
                if not self.is_ours():
                    return
                self._beat()
            except OSError:  # the network: the next beat may come through
                continue
        with suppress(OSError):  # then it looks alive for a minute
            self._give_back()

    def _beat(self) -> None:
        self._beats += 1
        told = asdict(self._holder) | {"what": self.what, "beat": self._beats}
        self._store.put_bytes(LEASE, json.dumps(told).encode())


def _read(store: ObjectStore) -> tuple[Holder | None, bytes | None]:
    """The holder, and the bytes that say so. What cannot be read is nobody's."""
    data = store.read(LEASE)
    if data is None:
        return None, None
    try:
        told = json.loads(data)
        told.pop("beat", None)
        return Holder(**told), data
    except (ValueError, TypeError, AttributeError):
        return None, data


def _told(holder: Holder) -> str:
    return f"{holder.what} on {holder.host}, process {holder.pid}, since {holder.since}"


def _refused(store: ObjectStore, holder: Holder | None) -> UserError:
    who = "another one" if holder is None else _told(holder)
    return UserError(
        f"--storage {store.uri}: is being written by {who}; "
        "wait for its end, interrupt it, or name another URI"
    )
