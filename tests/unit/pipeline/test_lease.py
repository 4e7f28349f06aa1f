"""One writer a URI: a live one is not disturbed, a dead one is replaced, and a loser knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from replica_workshop import HURRIED

from raysweep.errors import UserError
from raysweep.pipeline.storage.lease import LEASE, Holder, Lease
from raysweep.pipeline.storage.object_store import ObjectStore


@pytest.fixture
def store(uri: str) -> ObjectStore:
    return ObjectStore.open(uri)


@pytest.fixture
def lease(store: ObjectStore) -> Iterator[Callable[..., Lease]]:
    """A lease for the driver with that working copy; released at the end."""
    made: list[Lease] = []

    def make(copy: str = "/copy/one", what: str = "sweep mine") -> Lease:
        made.append(Lease(store, Holder.me(what, Path(copy)), HURRIED.lease))
        return made[-1]

    yield make
    for each in made:
        each.release()


def died(lease: Lease) -> None:
    """As a killed process: no further sign of life, and nothing removed."""
    lease._give_back = lambda: None  # type: ignore[method-assign]
    lease._ended.set()
    lease._thread.join()


def test_a_live_one_is_left_alone_and_named(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    holder = Holder.me("", Path())
    lease().take()
    with pytest.raises(UserError) as refused:
        lease("/copy/two").take()
    words = str(refused.value)
    for part in ("sweep mine", holder.host, str(holder.pid), holder.since[:10], store.uri):
        assert part in words
    assert words.count("\n") == 0
    assert refused.value.exit_code == 2


def test_it_tells_what_is_being_done_now(lease: Callable[..., Lease]) -> None:
    first = lease()
    first.take()
    first.what = "sweep other"
    with pytest.raises(UserError, match="by sweep other on"):
        lease("/copy/two").take()


def test_a_dead_one_is_taken_over(lease: Callable[..., Lease]) -> None:
    dead = lease()
    dead.take()
    died(dead)
    told: list[str] = []
    started = time.monotonic()
    lease("/copy/two").take(told.append)
    assert time.monotonic() - started >= HURRIED.lease.stale_s
    assert "sweep mine on" in told[0]


def test_one_that_had_this_very_copy_is_known_to_be_dead(lease: Callable[..., Lease]) -> None:
    dead = lease()
    dead.take()
    died(dead)
    told: list[str] = []
    lease().take(told.append)
    assert told == []


def test_of_two_at_once_one_wins(lease: Callable[..., Lease], store: ObjectStore) -> None:
    """The other's writing falls into the moment between a driver's own and its second look."""
    other = Holder.me("sweep other", Path("/copy/two"))
    one = lease()
    beat = one._beat

    def overtaken() -> None:
        beat()
        Lease(store, other, HURRIED.lease)._beat()

    one._beat = overtaken  # type: ignore[method-assign]
    with pytest.raises(UserError, match="sweep other"):
        one.take()


def test_who_was_silent_for_too_long_learns_that_it_lost(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    slow = lease()
    slow.take()
    other = Holder.me("sweep other", Path("/copy/two"))
    Lease(store, other, HURRIED.lease)._beat()
    deadline = time.monotonic() + 5
    while slow.lost_to is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert slow.lost_to == other
    slow.release()
    assert LEASE in store.list(), "the other's stays"


def test_released_it_is_gone(lease: Callable[..., Lease], store: ObjectStore) -> None:
    first = lease()
    first.take()
    first.release()
    assert store.list() == {}
    lease("/copy/two").take()


def test_what_is_no_lease_is_nobodys(lease: Callable[..., Lease], store: ObjectStore) -> None:
    store.put_bytes(LEASE, b"[]")
    lease().take()


def test_one_that_was_asleep_and_has_been_replaced_and_ended_knows_it(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    """The other one's lease is gone by then: that there is none is not that it is ours."""
    asleep = lease()
    asleep.take()
    store.delete(LEASE)
    assert not asleep.is_ours()
    assert asleep.lost_to is not None
