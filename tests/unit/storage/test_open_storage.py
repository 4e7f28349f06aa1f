"""Storage at a URI, opened: what is pulled, what is pushed, what is left here when that fails."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raysweep.errors import Interrupted, StorageFailed, UserError
from raysweep.storage.bucket.head import HEAD
from raysweep.storage.bucket.object_store import ObjectStore
from raysweep.storage.bucket.pulling import Remote
from raysweep.storage.open_storage import open_storage, read_storage
from raysweep.storage.reading import StoredSweep
from raysweep.tracking import Image
from raysweep.tracking.trackio.tracker import TrackioRun

from bucket_workshop import HURRIED, Driver, assert_resumable


def open_(uri: str, told: list[str]) -> Any:
    return open_storage(uri, "sweep mine", told.append, HURRIED)


def do_epochs(uri: str, told: list[str], epochs: int, name: str = "mine") -> Path:
    """A driver's whole life; the working copy that it had."""
    with open_(uri, told) as storage:
        driver = Driver(storage, name)
        for _ in range(epochs):
            driver.step()
    return Path(storage.root)


def copies(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "raysweep").iterdir())


def test_a_folder_is_opened_as_it_is(tmp_path: Path) -> None:
    for opened in (open_storage(tmp_path), read_storage(str(tmp_path))):
        with opened as storage:
            assert storage.root == tmp_path
            assert storage.shown == str(tmp_path)
            assert storage.origin is None


def test_what_was_written_is_there_and_the_copy_is_gone(uri: str, tmp_path: Path) -> None:
    told: list[str] = []
    do_epochs(uri, told, 2)
    assert assert_resumable(uri) == 2
    assert copies(tmp_path) == []
    assert "driver.json" not in ObjectStore.open(uri).list()
    assert told == []


def test_it_is_pushed_while_the_driver_works(uri: str) -> None:
    with open_(uri, []) as storage:
        driver = Driver(storage)
        driver.step()
        deadline = time.monotonic() + 20
        while assert_resumable(uri) < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert assert_resumable(uri) == 1


def test_another_machine_goes_on(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the checkpoint of the sweep that has not ended, and each model when it is asked for."""
    do_epochs(uri, [], 2, "ended")
    with open_(uri, []) as storage:
        storage.find("ended").write_result({"sweep": "ended"})
    do_epochs(uri, [], 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    with open_(uri, []) as storage:
        folder = storage.find("mine").path
        assert len((folder / "journal.jsonl").read_text().splitlines()) == 3
        assert [path.name[:16] for path in (folder / "checkpoints").iterdir()] == [
            "trial-0000-e0003"
        ]
        assert not list(storage.tracker.glob("artifacts/*/blobs/sha256/*/*"))
        tracker = StoredSweep.find(storage, "mine").tracker()
        tracker.download("trained-model:latest", tmp_path / "model")
        assert (tmp_path / "model" / "model").read_text() == "mine-train 3"
        assert len(list(storage.tracker.glob("artifacts/*/blobs/sha256/*/*"))) == 2
        assert not (storage.find("ended").path / "checkpoints").exists()


def test_readers_bring_little_and_leave_nothing(uri: str, tmp_path: Path) -> None:
    do_epochs(uri, [], 1)
    with read_storage(uri) as storage:
        assert [folder.path.name for folder in storage.sweeps()] == ["mine"]
        assert not list(storage.tracker.glob("artifacts/*/blobs/sha256/*/*"))
        sweep = StoredSweep.find(storage, None)
        sweep.folder.write_result({"best": {"artifact": "trained-model:v0"}})
        sweep.download_best(tmp_path / "model")
        with pytest.raises(UserError, match=f"no sweep named nope in {uri}"):
            storage.find("nope")
    assert (tmp_path / "model" / "model").read_text() == "mine-train 1"
    assert not storage.root.exists()


def test_where_the_last_push_fails_nothing_is_lost(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with (
        pytest.raises(StorageFailed, match="lacks the latest changes"),
        monkeypatch.context() as patch,
        open_(uri, told) as storage,
    ):
        driver = Driver(storage)
        driver.step()
        patch.setattr(ObjectStore, "_write", _no_route)
        driver.step()
    assert f"nothing is lost: everything is in {storage.root}" in told[-1]
    assert len(told) <= 2
    assert assert_resumable(uri) <= 1
    with open_(uri, told):
        pass
    assert assert_resumable(uri) == 2
    assert copies(tmp_path) == []


def test_where_the_head_is_damaged_nothing_is_lost(uri: str) -> None:
    told: list[str] = []
    with (
        pytest.raises(StorageFailed, match="lacks the latest changes"),
        open_(uri, told) as storage,
    ):
        driver = Driver(storage)
        driver.step()
        ObjectStore.open(uri).overwrite(HEAD, b"no JSON")
        driver.step()
    assert f"{HEAD}, which names what was pushed, is damaged" in told[-1]
    assert len((driver.folder.path / "journal.jsonl").read_text().splitlines()) == 2


def test_a_failure_in_between_is_told_once_and_made_good(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with open_(uri, told) as storage:
        driver = Driver(storage)
        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "_write", _no_route)
            for _ in range(3):
                driver.step()
                time.sleep(0.2)
    assert len(told) == 1
    assert "no route to host" in told[0]
    assert assert_resumable(uri) == 3


def test_an_interrupted_sweep_does_not_wait_for_long(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    hang = threading.Event()
    started = time.monotonic()
    with suppress(Interrupted), monkeypatch.context() as patch, open_(uri, told) as storage:
        Driver(storage).step()
        patch.setattr(ObjectStore, "put", lambda *_: hang.wait(30))
        raise Interrupted("Ctrl-C")
    assert time.monotonic() - started < 10
    assert "took too long" in told[-1]
    hang.set()


def test_what_a_killed_driver_left_here_is_gone_on_from(uri: str) -> None:
    told: list[str] = []
    do_epochs(uri, told, 1)
    _killed_with_an_epoch_more(uri)
    with open_(uri, told) as storage:
        journal = storage.find("mine").path / "journal.jsonl"
        assert len(journal.read_text().splitlines()) == 2
    assert assert_resumable(uri) == 2
    assert told == []


def _killed_with_an_epoch_more(uri: str) -> None:
    """A driver that came back to the sweep, did an epoch, and pushed no more."""
    with open_(uri, []) as storage:
        kept = storage.root.with_name("kept")
        shutil.copytree(storage.root, kept)
    kept.rename(storage.root)
    folder = storage.find("mine").path
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write((folder / "journal.jsonl").read_text())


def test_of_a_copy_that_was_overtaken_the_rest_is_kept(uri: str, tmp_path: Path) -> None:
    do_epochs(uri, [], 1)
    _killed_with_an_epoch_more(uri)
    mine = tmp_path / "cache"
    mine.rename(tmp_path / "away")
    do_epochs(uri, [], 1, "others")  # as another machine: it finds no copy
    shutil.rmtree(mine)
    (tmp_path / "away").rename(mine)
    told: list[str] = []
    with open_(uri, told) as storage:
        assert [folder.path.name for folder in storage.sweeps()] == ["mine", "others"]
    assert assert_resumable(uri) == 1
    (kept,) = copies(tmp_path)
    assert kept in told[0]
    assert "another machine has written" in told[0]


def test_a_copy_that_holds_nothing_of_its_own_is_not_kept(uri: str, tmp_path: Path) -> None:
    do_epochs(uri, [], 1)
    with open_(uri, []) as storage:
        kept = storage.root.with_name("kept")
        shutil.copytree(storage.root, kept)
    do_epochs(uri, [], 1, "others")
    kept.rename(storage.root)
    told: list[str] = []
    with open_(uri, told):
        pass
    assert copies(tmp_path) == []
    assert told == []


def test_one_at_a_time_on_a_machine(uri: str) -> None:
    refused = pytest.raises(UserError, match="another process of this machine")
    with open_(uri, []), refused, open_(uri, []):
        raise AssertionError("opened twice")


def test_after_wrong_input_nothing_is_there(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError), open_(uri, []):
        raise UserError("no such optimizer")
    assert ObjectStore.open(uri).list() == {}
    assert copies(tmp_path) == []


def _no_route(*_: object) -> None:
    raise OSError("no route to host")


def test_what_was_pulled_by_half_does_not_stay(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_epochs(uri, [], 1)
    monkeypatch.setattr(Remote, "records", _no_route)
    with pytest.raises(UserError, match="cannot be reached"), open_(uri, []):
        raise AssertionError("opened")
    assert copies(tmp_path) == []
    assert "driver.json" not in ObjectStore.open(uri).list()


def test_a_copy_of_a_sweep_that_has_ended_elsewhere_is_not_kept(uri: str, tmp_path: Path) -> None:
    do_epochs(uri, [], 1)
    _killed_with_an_epoch_more(uri)
    mine = tmp_path / "cache"
    mine.rename(tmp_path / "away")
    with open_(uri, []) as storage:
        storage.find("mine").write_result({"sweep": "mine"})
    shutil.rmtree(mine)
    (tmp_path / "away").rename(mine)
    told: list[str] = []
    with open_(uri, told):
        pass
    assert copies(tmp_path) == []
    assert told == []


def test_a_best_that_was_chosen_anew_is_pushed_though_it_is_as_long(uri: str) -> None:
    do_epochs(uri, [], 1)
    for winner in ("first", "other"):
        with open_(uri, []) as storage:
            folder = storage.find("mine")
            folder.reopen()
            folder.best.mkdir(exist_ok=True)
            (folder.best / "trained_model.pth").write_text(winner)
            folder.write_result({"sweep": "mine", "best": winner})
        assert ObjectStore.open(uri).read("mine/best/trained_model.pth") == winner.encode()


def test_what_sync_sends_is_brought(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models and the pictures of its sweep, and no other's."""
    for name in ("mine", "other"):
        with open_(uri, []) as storage:
            driver = Driver(storage, name)
            driver.step()
            run = TrackioRun(driver.store, driver.run)
            run.log_images("worst", [Image(np.zeros((2, 2), np.uint8), name)], 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another machine"))
    with open_(uri, []) as storage:
        stored = StoredSweep.find(storage, "mine")
        stored.fetch_upstream()
        media = [path.relative_to(storage.tracker).parts for path in storage.tracker.rglob("*.png")]
        assert [parts[2] for parts in media] == ["mine-train"]
        models = [p.read_text() for p in storage.tracker.glob("artifacts/*/blobs/sha256/*/*")]
        assert "mine-train 1" in models
        assert "other-train 1" not in models
