"""A removal that is killed at any moment, and called again: it completes, and nothing dangles."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.errors import UserError
from raysweep.storage.open_storage import open_storage
from raysweep.storage.removal import carry_out, plan_removal
from raysweep.storage.storage import Storage

from bucket_workshop import HURRIED
from commands import environment
from kept_sweeps import assert_whole, keep, lineage_of, models_of, tracker_of

KILLED = """
import json, os, sys, threading
sys.path.insert(0, "tests")
from bucket_workshop import HURRIED
from raysweep.storage.open_storage import open_storage
from raysweep.storage.removal import carry_out, plan_removal

MOMENTS = {"unlink", "rmdir", "rename", "replace", "execute", "fsync", "open", "scandir", "mkdir",
           "delete_file", "open_output_stream", "move", "link"}
count, armed = 0, False

def run(place, death):
    global armed
    def profile(frame, event, function):
        global count
        if armed and event == "c_call" and getattr(function, "__name__", "") in MOMENTS:
            count += 1
            if count == death:
                os._exit(9)
    threading.setprofile(profile)  # also in the thread that pushes
    with open_storage(place, "remove", pace=HURRIED) as storage:
        plan = plan_removal(storage, ["mine"], finish=True)
        armed = True
        sys.setprofile(profile)
        carry_out(plan)
    armed = False

for line in sys.stdin:
    place, death = json.loads(line)
    pid = os.fork()
    if pid == 0:
        run(place, death)
        print(count, flush=True)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if death:
        print(os.waitstatus_to_exitcode(status), flush=True)
"""

LOTS = 14


@pytest.fixture(scope="module")
def kill() -> Callable[..., int]:
    """kill(place, death): remove `mine` there, and die at the `death`-th call that changes
    something. With 0, how many such calls there are in all."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdin is not None and process.stdout is not None

    def run(place: Path | str, death: int) -> int:
        process.stdin.write(json.dumps([str(place), death]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield run
    process.stdin.close()
    process.stdout.close()
    assert process.wait(60) == 0


@pytest.fixture
def made(tmp_path: Path) -> Storage:
    """With `mine`, whose data `other` uses, and which has `best`."""
    storage = Storage(tmp_path / "made")
    keep(storage, "mine", created="2026-01-01T00:00:00+00:00")
    keep(storage, "other", created="2026-01-02T00:00:00+00:00")
    tracker_of(storage).set_alias("trained-model:best-mine", "best")
    return storage


def test_in_a_folder(made: Storage, kill: Callable[..., int], tmp_path: Path) -> None:
    model = tracker_of(made).artifact("trained-model:best-other").ref
    before = lineage_of(made, model)
    shutil.copytree(made.root, tmp_path / "whole")
    moments = kill(tmp_path / "whole", 0)
    assert moments > 40
    for death in sorted(random.Random(7).sample(range(1, moments + 1), LOTS)):
        storage = Storage(tmp_path / f"dead {death}")
        shutil.copytree(made.root, storage.root)
        assert kill(storage.root, death) == 9
        assert lineage_of(storage, model) == before
        again(storage)
        assert not (storage.root / "mine").exists()
        assert lineage_of(storage, model) == before
        assert tracker_of(storage).artifact("trained-model:best").ref == model
        assert_whole(storage, sweeps=1)


def test_at_a_uri(made: Storage, kill: Callable[..., int], uri: str, tmp_path: Path) -> None:
    model = tracker_of(made).artifact("trained-model:best-other").ref
    before = lineage_of(made, model)
    place = Path(tmp_path / "it's there, 100%")
    pushed = tmp_path / "pushed"
    with open_storage(uri, pace=HURRIED) as storage:
        shutil.copytree(made.root, storage.root, dirs_exist_ok=True)
    shutil.copytree(place, pushed)
    moments = kill(uri, 0)
    assert moments > 60
    check_there(uri, tmp_path / "first", model, before)
    # The pusher makes some of the calls, by the clock: another time there may be fewer.
    deaths = sorted(random.Random(8).sample(range(1, moments * 3 // 4), 8))
    for number, death in enumerate(deaths):
        shutil.rmtree(place)
        shutil.copytree(pushed, place)
        assert kill(uri, death) in (0, 9)
        with open_storage(uri, pace=HURRIED) as storage:
            again(storage)
        with open_storage(uri, pace=HURRIED) as storage:  # takes the notes away
            keep(storage, "later", data="later", promoted=False)
        check_there(uri, tmp_path / f"seen {number}", model, before)


def again(storage: Storage) -> None:
    try:
        carry_out(plan_removal(storage, ["mine"], finish=True))
    except UserError as error:
        assert "no sweep named mine" in str(error)


def check_there(uri: str, folder: Path, model: str, before: object) -> None:
    """Copy what is at the URI into a plain storage, and look at that."""
    from urllib.parse import unquote

    from raysweep.storage.bucket.object_store import ObjectStore
    from raysweep.storage.bucket.pulling import Remote

    store = ObjectStore.open(uri)
    remote = Remote(store, folder)
    remote.records()
    remote.projects()
    for path in remote.listing:
        if "/blobs/" in path:
            store.get(path, folder / path)
    storage = Storage(folder)
    assert "mine" not in remote.sweeps(), unquote(uri)
    assert not [path for path in remote.listing if path.startswith("mine/")]
    assert lineage_of(storage, model) == before
    assert tracker_of(storage).artifact("trained-model:best").ref == model
    tracker_of(storage).store.removing.forget(
        tracker_of(storage).store.removing.bury(keep_note=True)
    )
    assert_whole(storage)
    assert models_of(storage, storage.folder("other").record())
