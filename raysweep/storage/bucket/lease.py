"""One writer a URI: `replica.json` there says who it is, that it lives, and what it pushed last.

Each change of that file is a conditional write (`conditional`), so of two that begin at once one
gets it. It grants the right to write and names the last push in one: a driver that was asleep and
has been replaced meanwhile finds it changed, and whatever it was sending is in nobody's way.

No object store has a lock that death lets go of, so the holder writes the file anew every few
seconds, and one that stays as it is for a minute is a dead one's. That minute is measured on the
clock of who waits: two machines' clocks differ.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from raysweep.errors import UserError
from raysweep.storage.bucket.conditional import Changed, Tag, Writes, conditional_writes
from raysweep.storage.bucket.head import HEAD, Head, Holder, old_lease, remove_old_lease
from raysweep.storage.bucket.object_store import ObjectStore


@dataclass(frozen=True)
class LeasePace:
    """Seconds: between two signs of life, until none means death, and, where comparing and writing
    are two steps, for two drivers to see each other."""

    beat_s: float = 10
    stale_s: float = 60
    settle_s: float = 1


class Lease:
    """The right to write to the URI, kept alive by a thread until `release`."""

    def __init__(self, store: ObjectStore, holder: Holder, pace: LeasePace) -> None:
        self._store, self._holder, self._pace = store, holder, pace
        self._ended = threading.Event()
        self._turn = threading.RLock()  # the beat's thread and who pushes write the same file
        self._head = Head()
        self._tag: Tag | None = None
        self._writes: Writes | None = None
        self._confirmed = 0.0
        self._lost: Holder | None = None
        self.what = holder.what
        """What is being done, for whoever is refused meanwhile; may change."""
        self.on_lost: Callable[[], None] = lambda: None
        """Called once, by any thread, when another process has taken it over."""
        self._thread = threading.Thread(target=self._live, name="raysweep-lease", daemon=True)

    @property
    def lost_to(self) -> Holder | None:
        """Who took it over, this process having been silent for too long; None as it should be."""
        return self._lost

    @property
    def head(self) -> Head:
        """What is at the URI."""
        return self._head

    @property
    def writes(self) -> Writes:
        """How the file is written: for others that are written over."""
        assert self._writes is not None, "taken"
        return self._writes

    def take(self, tell: Callable[[str], None] = lambda line: None) -> None:
        """Become the holder. Raises UserError where another one lives."""
        self._writes, lacking = conditional_writes(self._store)
        if lacking is not None:
            tell(
                f"{self._store.uri}: has no conditional writes ({lacking}); "
                "of two drivers that begin within a second, the later will win"
            )
        self._wait_for_old(tell)
        head, tag = self._read()
        if head.driver is not None and not self._is_dead_here(head.driver):
            tell(
                f"{self._store.uri}: was last written by {head.driver.told}; "
                f"seeing whether that still runs ({self._pace.stale_s:g} s at most)"
            )
            head, tag = self._wait_for_death(tag)
        mine = replace(head, epoch=head.epoch + 1, driver=self._holder, beat=0)
        self._confirmed = _clock()
        try:
            self._tag, self._head = self.writes.put(HEAD, mine.to_json(), tag), mine
        except Changed:
            raise _refused(self._store, self._read()[0].driver) from None
        if not self.writes.atomic:
            self._settle()
        self._store.guard = self.confirm
        self._thread.start()

    def confirm(self) -> None:
        """Before each write: a process that was asleep for half the time that means death looks
        whether it has been replaced. Raises OSError if so."""
        if self._lost is None and _clock() - self._confirmed > self._pace.stale_s / 2:
            self.beat()
        self._raise_if_lost()

    def beat(self) -> None:
        """Write a sign of life. Raises OSError where another process has taken over, or the URI
        cannot be written."""
        self._write()

    def commit(self, push: str, snapshot: str) -> None:
        """Make a push what is at the URI. Raises as `beat`."""
        self._write(push=push, snapshot=snapshot)

    def release(self, within_s: float | None = None) -> None:
        """Let others write. Its thread does it, for a beat at most: a server may hang."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._pace.beat_s if within_s is None else within_s)

    def _write(self, **changes: str) -> None:
        with self._turn:
            self._raise_if_lost()
            if self._store.given_up or self._ended.is_set():  # a push that hung, and came back
                raise OSError(f"{self._store.uri}: was given up")
            self._swap(driver=replace(self._holder, what=self.what), **changes)

    def _swap(self, **changes: Any) -> None:
        """Change the file from what this process wrote last, or raise OSError."""
        for _ in range(2):
            mine = replace(self._head, beat=self._head.beat + 1, **changes)
            started = _clock()
            try:
                self._tag = self.writes.put(HEAD, mine.to_json(), self._tag)
            except Changed:
                now, tag = self._read()
                if now.driver is None or now.driver.id != self._holder.id:
                    self._lose(now.driver)
                    break
                self._head, self._tag = now, tag  # ours, and its answer was lost
            else:
                self._head, self._confirmed = mine, started
                return
        self._raise_if_lost()
        raise OSError(f"{self._store.uri}: {HEAD} changes all the time")

    def _lose(self, to: Holder | None) -> None:
        self._lost = to or NOBODY
        self._store.given_up = True
        self.on_lost()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise OSError(taken_over(self._lost))

    def _settle(self) -> None:
        """Two that wrote within a moment: the later one has it."""
        try:
            time.sleep(self._pace.settle_s)
            head, _ = self._read()
        except BaseException:  # Ctrl-C in that moment
            self._give_back()
            raise
        if head.driver is None or head.driver.id != self._holder.id:
            raise _refused(self._store, head.driver)

    def _read(self) -> tuple[Head, Tag | None]:
        found = self.writes.read(HEAD)
        if found is None:
            return Head(), None
        return Head.from_json(self._store.uri, found.data), found.tag

    def _is_dead_here(self, other: Holder) -> bool:
        """Whether it had this very working copy, which is ours now: its lock was let go of. Of
        another container, or before a restart, nothing is known."""
        mine = self._holder
        return (other.host, other.boot, other.copy) == (mine.host, mine.boot, mine.copy)

    def _wait_for_death(self, last: Tag | None) -> tuple[Head, Tag | None]:
        """Raises UserError at the first sign of life."""
        start = time.monotonic()
        while True:
            time.sleep(self._pace.beat_s / 5)
            head, tag = self._read()
            if head.driver is None:
                return head, tag
            if tag != last:
                raise _refused(self._store, head.driver)
            if time.monotonic() - start >= self._pace.stale_s:
                return head, tag

    def _wait_for_old(self, tell: Callable[[str], None]) -> None:
        """The lease of an earlier raysweep, which had a file of its own."""
        holder, last = old_lease(self._store)
        if last is None:
            return
        told = "an earlier raysweep" if holder is None else holder.told
        tell(
            f"{self._store.uri}: was last written by {told}; "
            f"seeing whether that still runs ({self._pace.stale_s:g} s at most)"
        )
        start = time.monotonic()
        while time.monotonic() - start < self._pace.stale_s:
            time.sleep(self._pace.beat_s / 5)
            now = old_lease(self._store)[1]
            if now is None:
                return
            if now != last:
                raise _refused(self._store, holder)
        remove_old_lease(self._store)

    def _live(self) -> None:
        while not self._ended.wait(self._pace.beat_s):
            with suppress(OSError):  # the network: the next beat may come through
                self.beat()
            if self._lost is not None:
                return
        with suppress(OSError):  # then it looks alive for a minute
            self._give_back()

    def _give_back(self) -> None:
        """What another has taken over stays. Where nothing was pushed, nothing stays."""
        with self._turn:
            if self._lost is not None:
                return
            if self._head.push is None and _clock() - self._confirmed < self._pace.stale_s / 2:
                self._store.delete(HEAD)
            else:
                self._swap(driver=None)


NOBODY = Holder(id="", host="?", pid=0, what="another command", since="?", copy="", boot="")
"""Whoever took the lease over and has given it back since."""


def taken_over(by: Holder) -> str:
    """In words for whoever lost it."""
    if not by.id:
        return "another command has taken it over meanwhile, this process having been silent"
    return f"process {by.pid} on {by.host} has taken it over"


def _clock() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _refused(store: ObjectStore, holder: Holder | None) -> UserError:
    who = "another one" if holder is None else holder.told
    return UserError(
        f"--storage {store.uri}: is being written by {who}; "
        "wait for its end, interrupt it, or name another URI"
    )
