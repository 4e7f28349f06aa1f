"""What is at the URI can be resumed: after every push, and after one cut short anywhere."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from raysweep.errors import UserError
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.replica import Replica
from raysweep.storage.open_storage import read_storage
from raysweep.storage.reading import StoredSweep
from raysweep.storage.run_logs import RunLogs

from bucket_workshop import (
    CutShort,
    Driver,
    assert_resumable,
    lease_of,
    replica_of,
    same_folder,
    working_copy,
)


@pytest.fixture
def pushed(uri: str) -> Iterator[tuple[Driver, Replica]]:
    """A driver that has done an epoch, and pushed it."""
    copy, storage = working_copy(uri)
    store = ObjectStore.open(uri)
    lease = lease_of(store)
    driver, replica = Driver(storage), replica_of(store, copy, lease)
    driver.step()
    replica.push()
    yield driver, replica
    lease.release()
    copy.unlock()


def test_a_push_brings_all_that_resume_needs(pushed: tuple[Driver, Replica], uri: str) -> None:
    driver, replica = pushed
    assert assert_resumable(uri) == 1
    assert not replica.is_behind()
    for _ in range(2):
        driver.step()
    assert replica.is_behind()
    driver.end()
    replica.push()
    assert assert_resumable(uri) == 3
    there = ObjectStore.open(uri).list()
    assert [p for p in there if "checkpoints" in p] == ["mine/checkpoints/trial-0000-e0003-abc.pt"]
    assert {"mine/result.json", "mine/config.yaml", "mine/best/trained_model.pth"} <= there.keys()


def test_what_is_scratch_or_half_written_stays_here(
    pushed: tuple[Driver, Replica], uri: str
) -> None:
    driver, replica = pushed
    folder = driver.folder.path
    for name in ("inputs/data.pt", "tune/state", "wandb/log", ".partial", "running.lock"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write('{"half": ')
    before = ObjectStore.open(uri).list()
    replica.push()
    assert ObjectStore.open(uri).list().keys() == before.keys()
    assert assert_resumable(uri) == 1


def test_a_push_cut_short_anywhere_leaves_what_can_be_resumed(
    pushed: tuple[Driver, Replica], uri: str, tmp_path: Path
) -> None:
    driver, first = pushed
    first._lease.release()
    driver.step()
    driver.step()
    driver.end()
    copy = same_folder(driver)
    told = []
    for uploads in range(100):
        place = tmp_path / f"cut-{uploads}"
        shutil.copytree(tmp_path / "it's there, 100%", place)
        store = CutShort.at(place.as_uri(), uploads)
        lease = lease_of(store)
        store.cut(lease)
        replica = replica_of(store, copy, lease)
        try:
            replica.push()
        except OSError:
            told.append(assert_resumable(store.uri))
            has_ended = "mine/result.json" in store.list()
            assert not has_ended or "mine/best/trained_model.pth" in store.list()
            store.mend()
            replica.push()
            assert assert_resumable(store.uri) == 3
        else:
            assert assert_resumable(store.uri) == 3
            break
        finally:
            lease.release()
    assert set(told) == {1, 3}, "cut before the journal and after it"
    assert uploads == len(told) > 8


def test_while_the_driver_writes(pushed: tuple[Driver, Replica], uri: str) -> None:
    driver, replica = pushed
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set() and driver.epoch < 150:
            driver.step()

    thread = threading.Thread(target=work)
    thread.start()
    epochs = []
    try:
        for _ in range(12):
            replica.push()
            epochs.append(assert_resumable(uri))
    finally:
        ended.set()
        thread.join()
    assert epochs == sorted(epochs)
    assert epochs[-1] > epochs[0], "it wrote meanwhile"


def test_a_sweep_that_was_taken_back_is_so_there(pushed: tuple[Driver, Replica], uri: str) -> None:
    driver, replica = pushed
    shutil.rmtree(driver.folder.path)
    replica.push()
    assert [path for path in ObjectStore.open(uri).list() if path.startswith("mine")] == []


def test_sweeps_that_are_there_and_not_here_stay(pushed: tuple[Driver, Replica], uri: str) -> None:
    driver, replica = pushed
    store = ObjectStore.open(uri)
    store.put_bytes("other/sweep.json", b"{}")
    replica._lease.release()
    copy = same_folder(driver)
    driver.step()
    lease = lease_of(store)
    replica_of(store, copy, lease).push()
    lease.release()
    assert store.read("other/sweep.json") == b"{}"


def test_half_written_pictures_stay_here_and_one_that_is_gone_is_no_failure(
    pushed: tuple[Driver, Replica], uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, replica = pushed
    media = driver.folder.path.parent / "tracker" / "media" / "replicas" / "run" / "0"
    media.mkdir(parents=True)
    for name in ("whole.png", "gone.png", ".half.png.partial", "half.partial"):
        (media / name).write_bytes(b"png")
    taken = replica._take

    def take(scratch: Path) -> object:
        found = taken(scratch)
        (media / "gone.png").unlink()
        return found

    monkeypatch.setattr(replica, "_take", take)
    replica.push()
    there = [path for path in ObjectStore.open(uri).list() if "/media/" in path]
    assert [path.rpartition("/")[2] for path in there] == ["whole.png"]


def test_a_log_is_pushed_as_it_grows_and_read_where_it_is_asked_for(
    pushed: tuple[Driver, Replica], uri: str
) -> None:
    driver, replica = pushed
    log = driver.folder.log("trial-0000")
    log.parent.mkdir()
    text = "".join(f"line {number}\n" for number in range(30_000))
    log.write_text(text)
    assert replica.is_behind()
    replica.push()
    before = ObjectStore.open(uri).list()
    with log.open("a") as file:
        file.write("Traceback\n")
    replica.push()
    new = {path: size for path, size in ObjectStore.open(uri).list().items() if path not in before}
    sent = [size for path, size in new.items() if "trial-0000.log" in path]
    assert sent and sum(sent) < 10_000, "what is new, and not the whole log again"

    with read_storage(uri) as storage:
        stored = StoredSweep.find(storage, "mine")
        assert not stored.folder.logs.exists(), "a command that does not ask for logs gets none"
        logs = RunLogs(stored)
        assert logs.named("0") == "trial-0000"
        assert logs.path("trial-0000").read_text() == text + "Traceback\n"
        with pytest.raises(UserError, match=r"--follow: .* has what was pushed so far"):
            logs.check_followable()
