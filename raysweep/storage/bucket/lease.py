"""The lease of a URI's single writer: `replica.json` holds its holder, heartbeat and last push.

Each change of that file is a conditional write (`conditional`), so if two drivers start at once
only one gets the lease. The same file grants the right to write and names the last push: a driver
that slept and was replaced finds it changed, and its unfinished push has no effect.

Object stores have no lock that ends with its process, so the holder writes a heartbeat every few
seconds; a lease without a heartbeat for a minute is expired. The waiting process measures that
minute on its own clock, since clocks of two machines differ.
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
    """Seconds: between two heartbeats; until a lease without one is expired; and, without atomic
    writes, until two drivers have seen each other."""

    beat_s: float = 10
    stale_s: float = 60
    settle_s: float = 1


class Lease:
    """The right to write to the URI, renewed by a thread until `release`."""

    def __init__(self, store: ObjectStore, holder: Holder, pace: LeasePace) -> None:
        self._store, self._holder, self._pace = store, holder, pace
        self._ended = threading.Event()
        self._turn = threading.RLock()  # the heartbeat's thread and pushes write the same file
        self._head = Head()
        self._tag: Tag | None = None
        self._writes: Writes | None = None
        self._confirmed = 0.0
        self._lost: Holder | None = None
        self.what = holder.what
        """The holder, with what it does, shown to commands that are refused; may change."""
        self.on_lost: Callable[[], None] = lambda: None
        """Called once, by any thread, when another process has taken the lease over."""
        self._thread = threading.Thread(target=self._live, name="raysweep-lease", daemon=True)

    @property
    def lost_to(self) -> Holder | None:
        """The process that took the lease over after it expired; None normally."""
        return self._lost

    @property
    def head(self) -> Head:
        """The head at the URI."""
        return self._head

    @property
    def writes(self) -> Writes:
        """The conditional writes, also for other files that are overwritten."""
        assert self._writes is not None, "taken"
        return self._writes

    def take(self, tell: Callable[[str], None] = lambda line: None) -> None:
        """Acquire the lease. Raises UserError if another holder is alive."""
        self._writes, lacking = conditional_writes(self._store)
        if lacking is not None:
            tell(
                f"{self._store.uri}: has no conditional writes ({lacking}); "
                "if two drivers start within a second, the later one wins"
            )
        self._wait_for_old(tell)
        head, tag = self._read()
        if head.driver is not None and not self._is_dead_here(head.driver):
            tell(
                f"{self._store.uri}: was last written by {head.driver.description}; "
                f"checking whether it is still running (at most {self._pace.stale_s:g} s)"
            )
            head, tag = self._wait_for_death(tag)
        taken = replace(head, epoch=head.epoch + 1, driver=self._holder, beat=0)
        self._confirmed = _clock()
        try:
            self._tag, self._head = self.writes.put(HEAD, taken.to_json(), tag), taken
        except Changed:
            raise _refused(self._store, self._read()[0].driver) from None
        if not self.writes.atomic:
            self._settle()
        self._store.guard = self.confirm
        self._thread.start()

    def confirm(self) -> None:
        """Check before each write: if this process slept for half the lease's lifetime, verify that
        it was not replaced. Raises OSError if it was."""
        if self._lost is None and _clock() - self._confirmed > self._pace.stale_s / 2:
            self.beat()
        self._raise_if_lost()

    def beat(self) -> None:
        """Write a heartbeat. Raises OSError if another process has taken over, or the URI cannot
        be written."""
        self._write()

    def commit(self, push: str, snapshot: str) -> None:
        """Publish a push as the latest at the URI. Raises as `beat` does."""
        self._write(push=push, snapshot=snapshot)

    def release(self, within_s: float | None = None) -> None:
        """Release the lease, in its thread, for at most one heartbeat: a server may hang."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=self._pace.beat_s if within_s is None else within_s)

    def _write(self, **changes: str) -> None:
        with self._turn:
            self._raise_if_lost()
            if self._store.given_up or self._ended.is_set():  # a hung push has come back
                raise OSError(f"{self._store.uri}: the push was abandoned")
            self._swap(driver=replace(self._holder, what=self.what), **changes)

    def _swap(self, **changes: Any) -> None:
        """Change the file if it is as this process wrote it last; else raise OSError."""
        for _ in range(2):
            renewed = replace(self._head, beat=self._head.beat + 1, **changes)
            started = _clock()
            try:
                self._tag = self.writes.put(HEAD, renewed.to_json(), self._tag)
            except Changed:
                now, tag = self._read()
                if now.driver is None or now.driver.id != self._holder.id:
                    self._lose(now.driver)
                    break
                self._head, self._tag = now, tag  # our own write, whose answer was lost
            else:
                self._head, self._confirmed = renewed, started
                return
        self._raise_if_lost()
        raise OSError(f"{self._store.uri}: {HEAD} keeps changing")

    def _lose(self, to: Holder | None) -> None:
        self._lost = to or NOBODY
        self._store.given_up = True
        self.on_lost()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise OSError(taken_over(self._lost))

    def _settle(self) -> None:
        """Wait until a concurrent writer would be visible: of two, the later one wins."""
        try:
            time.sleep(self._pace.settle_s)
            head, _ = self._read()
        except BaseException:  # Ctrl-C meanwhile
            self._give_back()
            raise
        if head.driver is None or head.driver.id != self._holder.id:
            raise _refused(self._store, head.driver)

    def _read(self) -> tuple[Head, Tag | None]:
        tag: Tag | None = None

        def read() -> bytes:
            nonlocal tag
            found = self.writes.read(HEAD)
            tag = None if found is None else found.tag
            return b"{}" if found is None else found.data

        return Head.read_whole(self._store.uri, read), tag

    def _is_dead_here(self, other: Holder) -> bool:
        """Return whether `other` is known to be dead: it held the working copy that this process
        has locked now. Nothing is known of another container, or from before a reboot."""
        own = self._holder
        return (other.host, other.boot, other.copy) == (own.host, own.boot, own.copy)

    def _wait_for_death(self, last: Tag | None) -> tuple[Head, Tag | None]:
        """Wait until the lease expires. Raises UserError at the first heartbeat."""
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
        """Wait for the lease of raysweep 0.1, which is in a separate file, to expire."""
        holder, last = old_lease(self._store)
        if last is None:
            return
        writer = "an earlier raysweep" if holder is None else holder.description
        tell(
            f"{self._store.uri}: was last written by {writer}; "
            f"checking whether it is still running (at most {self._pace.stale_s:g} s)"
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
            # A network error, or a damaged file that is put back: the next one may succeed.
            with suppress(OSError, UserError):
                self.beat()
            if self._lost is not None:
                return
        with suppress(OSError, UserError):  # on failure the lease expires after a minute
            self._give_back()

    def _give_back(self) -> None:
        """Remove this holder from the file, unless another process has taken over; remove the file
        if nothing was ever pushed."""
        with self._turn:
            if self._lost is not None:
                return
            if self._head.push is None and _clock() - self._confirmed < self._pace.stale_s / 2:
                self._store.delete(HEAD)
            else:
                self._swap(driver=None)


NOBODY = Holder(id="", host="?", pid=0, what="another command", since="?", copy="", boot="")
"""A process that took the lease over and has released it since."""


def taken_over(by: Holder) -> str:
    """Describe the process that took the lease over."""
    if not by.id:
        return "another command has taken it over, since this process sent no heartbeat"
    return f"process {by.pid} on {by.host} has taken it over"


def _clock() -> float:
    """Return seconds of a clock that also runs while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _refused(store: ObjectStore, holder: Holder | None) -> UserError:
    who = "another one" if holder is None else holder.description
    return UserError(
        f"--storage {store.uri}: is being written by {who}; "
        "wait until it ends, interrupt it, or name another URI"
    )
