"""One writer a URI: a live one is not disturbed, a dead one is replaced, and a loser knows it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from raysweep.errors import UserError
from raysweep.storage.bucket import lease as lease_module
from raysweep.storage.bucket.conditional import Tag
from raysweep.storage.bucket.head import HEAD, OLD_LEASE, Head, Holder
from raysweep.storage.bucket.lease import Lease
from raysweep.storage.bucket.object_store import ObjectStore

from bucket_workshop import HURRIED


@pytest.fixture
def store(uri: str) -> ObjectStore:
    return ObjectStore.open(uri)


@pytest.fixture
def lease(uri: str) -> Iterator[Callable[..., Lease]]:
    """A lease for the driver whose working copy is so marked; released at the end."""
    made: list[Lease] = []

    def make(copy: str = "one", what: str = "sweep mine", **other: str) -> Lease:
        holder = replace(Holder.me(what, copy), **other)
        made.append(Lease(ObjectStore.open(uri), holder, HURRIED.lease))
        return made[-1]

    yield make
    for each in made:
        each.release()


def died(lease: Lease) -> None:
    """As a killed process: no further sign of life, and nothing removed."""
    lease._give_back = lambda: None  # type: ignore[method-assign]
    lease._ended.set()
    lease._thread.join()


def asleep(lease: Lease) -> None:
    """As a process that is stopped: no sign of life, until it goes on."""
    died(lease)
    lease._ended.clear()


def test_a_live_one_is_left_alone_and_named(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    holder = Holder.me("", "")
    lease().take()
    with pytest.raises(UserError) as refused:
        lease("two").take()
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
        lease("two").take()


def test_a_dead_one_is_taken_over(lease: Callable[..., Lease], store: ObjectStore) -> None:
    dead = lease()
    dead.take()
    died(dead)
    told: list[str] = []
    started = time.monotonic()
    lease("two").take(told.append)
    assert time.monotonic() - started >= HURRIED.lease.stale_s
    assert "sweep mine on" in told[0]
    assert Head.read(store).epoch == 2


def test_one_that_had_this_very_copy_is_known_to_be_dead(lease: Callable[..., Lease]) -> None:
    dead = lease()
    dead.take()
    died(dead)
    told: list[str] = []
    lease().take(told.append)
    assert told == []


@pytest.mark.parametrize("other", [{"copy": "another's"}, {"boot": "another"}, {"host": "another"}])
def test_of_another_container_of_the_same_name_it_is_not_known(
    lease: Callable[..., Lease], other: dict[str, str]
) -> None:
    """Its host and its folder may be called the same: what marks its copy is random."""
    lease(**other).take()
    with pytest.raises(UserError, match="is being written by sweep mine"):
        lease().take()


@pytest.mark.parametrize("time", range(5))
def test_of_many_at_once_one_wins(lease: Callable[..., Lease], time: int) -> None:
    drivers = [lease(f"copy {n}", f"sweep {n}") for n in range(8)]
    ready = threading.Barrier(len(drivers))
    won: list[Lease] = []
    refused: list[str] = []

    def begin(one: Lease) -> None:
        ready.wait()
        try:
            one.take()
            won.append(one)
        except UserError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=begin, args=[one]) for one in drivers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(refused) == 7
    assert all(f"by {won[0].what} on" in words for words in refused)


def test_who_was_silent_for_too_long_learns_that_it_lost(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    slow = lease()
    slow.take()
    called = threading.Event()
    slow.on_lost = called.set
    asleep(slow)
    other = lease("two", "sweep other")
    other.take()
    for write in (slow.beat, lambda: slow.commit("push", "snapshot"), slow.confirm):
        with pytest.raises(OSError, match="has taken it over"):
            write()
    assert slow.lost_to is not None
    assert slow.lost_to.what == "sweep other"
    assert slow._store.given_up
    assert called.is_set()
    slow.release()
    driver = Head.read(store).driver
    assert driver is not None
    assert driver.what == "sweep other"


def test_before_it_writes_after_a_silence_it_looks_again(
    lease: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on while the machine sleeps."""
    slow = lease()
    slow.take()
    asleep(slow)
    lease("two").take()
    clock = lease_module._clock
    monkeypatch.setattr(lease_module, "_clock", lambda: clock() + HURRIED.lease.stale_s)
    with pytest.raises(OSError, match="has taken it over"):
        slow._store.put_bytes("mine/best/model.pth", b"old")


def test_released_nothing_stays(lease: Callable[..., Lease], store: ObjectStore) -> None:
    first = lease()
    first.take()
    first.release()
    assert store.list() == {}
    lease("two").take()


def test_what_was_pushed_outlives_the_lease(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    first = lease()
    first.take()
    first.commit("push", "snapshot")
    first.release()
    second = lease("two")
    second.take()
    assert (second.head.push, second.head.snapshot) == ("push", "snapshot")
    assert second.head.epoch == 2


def test_a_sign_of_life_brings_no_older_push_back(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    one = lease()
    one.take()
    ended = threading.Event()
    beating = threading.Thread(target=lambda: [one.beat() for _ in iter(ended.is_set, True)])
    beating.start()
    for number in range(200):
        one.commit(f"push {number}", "snapshot")
        assert Head.read(store).push == f"push {number}"
    ended.set()
    beating.join()


def test_what_is_damaged_is_not_written_over(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    """It names what was pushed."""
    store.put_bytes(HEAD, b"[]")
    with pytest.raises(UserError, match=r"replica\.json, which names what was pushed, is damaged"):
        lease().take()


def test_an_answer_that_was_lost_is_no_loss(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    """After an error the write may be there or not: the holder goes on in both."""
    one = lease()
    one.take()
    asleep(one)
    put = one.writes.put

    def lost(path: str, data: bytes, tag: Tag | None) -> Tag:
        put(path, data, tag)
        raise OSError("timed out")

    one.writes.put = lost  # type: ignore[method-assign]
    with pytest.raises(OSError, match="timed out"):
        one.commit("push", "snapshot")
    one.writes.put = put  # type: ignore[method-assign]
    one.commit("next push", "snapshot")
    assert Head.read(store).push == "next push"


def test_an_earlier_versions_writer_is_left_alone_until_it_is_dead(
    lease: Callable[..., Lease], store: ObjectStore
) -> None:
    old = {"id": "1", "host": "there", "pid": 7, "what": "sweep old", "since": "?", "copy": "/c"}
    store.put_bytes(HEAD, json.dumps({"push": "mark"}).encode())
    store.put_bytes(OLD_LEASE, json.dumps({**old, "beat": 1}).encode())
    beating = threading.Timer(
        HURRIED.lease.beat_s, store.put_bytes, [OLD_LEASE, json.dumps({**old, "beat": 2}).encode()]
    )
    beating.start()
    with pytest.raises(UserError, match="by sweep old on there, process 7"):
        lease().take()
    beating.join()
    one = lease()
    one.take()
    assert one.head.push == "mark"
    assert store.read(OLD_LEASE) is None
