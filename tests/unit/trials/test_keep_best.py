"""`tracking.keep: best`: which models lose their bytes, and what is left of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raysweep.config import Config
from raysweep.errors import ArtifactDropped
from raysweep.events import TrialUpdated
from raysweep.storage.storage import Storage
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.removal import Removing
from raysweep.trials.keep_best import KeepBest

from kept_sweeps import assert_whole, log, tracker_of

SWEEP = SweepIdentity("mine", "abcd1234")
RANDOM = {"method": "random", "parameters": {"learning_rate": {"values": [0.1, 0.2]}}}
CONFIG = Config.from_dict({"sweep": {**RANDOM, "run_cap": 9}, "tracking": {"keep": "best"}})


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path)
    storage.root.mkdir(exist_ok=True)
    return storage


class Dropping:
    """The store's removing, which also removes the bytes, as the sweep's writer does."""

    def __init__(self, removing: Removing) -> None:
        self._removing = removing
        self.models = removing.models

    def drop(self, refs: list[str], why: str) -> None:
        self._removing.drop(refs, why)
        self._removing.bury()


def row(index: int, score: float, state: str = "completed") -> TrialUpdated:
    best = {"validation/accuracy": score}
    return TrialUpdated(index, f"trial-{index:04d}", state, {}, 1, 1, best, best)  # type: ignore[arg-type]


def trained(storage: Storage, index: int, *, finished: bool = True, data: bytes = b"") -> str:
    tracker = tracker_of(storage)
    run = tracker.start_run(SWEEP.run(f"trial-{index:04d}", "train", {}))
    weights = data or f"weights of {index}".encode() * 100
    ref = log(run, storage, "trained-model", "model", {"trial": index}, weights).ref
    if finished:
        run.finish()
    return ref


def bytes_of(storage: Storage) -> list[str]:
    """The versions that have theirs."""
    tracker = tracker_of(storage)
    refs = [ref for run in tracker.runs() for ref in run.logged]
    return [ref for ref in refs if tracker.artifact(ref).dropped is None]


def look(storage: Storage, *rows: TrialUpdated) -> None:
    KeepBest(CONFIG, SWEEP, Dropping(tracker_of(storage).store.removing)).look(rows)


def test_a_model_that_is_beaten_loses_its_bytes_not_its_record(
    storage: Storage, tmp_path: Path
) -> None:
    poor, good = trained(storage, 0), trained(storage, 1)
    look(storage, row(0, 90.0))
    assert bytes_of(storage) == [poor, good]
    look(storage, row(0, 90.0), row(1, 95.0))
    assert bytes_of(storage) == [good]
    tracker = tracker_of(storage)
    assert tracker.artifact(poor).metadata == {"trial": 0}
    assert [node["name"] for node in tracker.lineage(poor).to_json()["nodes"]] == [
        "trial-0000-mine",
        "trained-model",
    ]
    with pytest.raises(
        ArtifactDropped, match=r"its bytes were dropped by tracking.keep: best"
    ) as told:
        tracker.download(poor, tmp_path / "there")
    assert (told.value.exit_code, "\n" in str(told.value)) == (2, False)
    tracker.download(good, tmp_path / "good")
    assert_whole(storage)


def test_who_is_not_sure_to_count_beats_nobody(storage: Storage) -> None:
    """A stopped trial is told to have ended before it has logged its model, and may lose it."""
    sure, unsure = trained(storage, 0), trained(storage, 1, finished=False)
    rows = row(0, 90.0), row(1, 95.0, "stopped"), row(2, 99.0, "failed"), row(3, 98.0, "running")
    look(storage, *rows)
    assert bytes_of(storage) == [sure, unsure]
    trained(storage, 1)
    look(storage, *rows)
    assert bytes_of(storage) == [unsure]


def test_bytes_that_the_better_one_has_too_stay(storage: Storage) -> None:
    trained(storage, 0, data=b"the same")
    good = trained(storage, 1, data=b"the same")
    look(storage, row(0, 90.0), row(1, 95.0))
    assert bytes_of(storage) == [good]
    assert_whole(storage)


def test_a_model_that_is_logged_again_is_dropped_again(storage: Storage) -> None:
    """As when its trial is run once more after a power cut."""
    poor, good = trained(storage, 0), trained(storage, 1)
    rows = row(0, 90.0), row(1, 95.0)
    look(storage, *rows)
    assert trained(storage, 0) == poor
    assert bytes_of(storage) == [poor, good]
    look(storage, *rows)
    assert bytes_of(storage) == [good]
    assert_whole(storage)


def test_long_looks_are_made_now_and_then(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One goes through all trials; the next one drops what was passed over."""
    now = [0.0]
    monkeypatch.setattr("raysweep.trials.keep_best.time.monotonic", lambda: now[0])
    dropping = Dropping(tracker_of(storage).store.removing)
    keeping, rows, looks = KeepBest(CONFIG, SWEEP, dropping), [], []

    def long_look() -> list[TrialUpdated]:
        looks.append(len(rows))
        now[0] += 0.01 if len(rows) == 1 else 0.12
        return rows

    for index in range(5):
        trained(storage, index)
        rows.append(row(index, 90.0 + index))
        keeping.look_now_and_then(long_look)
        now[0] += 1.1
    assert looks == [1, 2, 4], "after 0.12 s there is a pause of 2 s"
    keeping.look(rows)
    assert bytes_of(storage) == ["trained-model:v4"]


def test_repeats_count_together(storage: Storage) -> None:
    config = Config.from_dict({"sweep": {**RANDOM, "run_cap": 2, "repeats": 2}})
    refs = [trained(storage, index) for index in range(4)]
    keeping = KeepBest(config, SWEEP, Dropping(tracker_of(storage).store.removing))
    rows = [
        replace(row(i, score), repeat=i % 2) for i, score in enumerate([80.0, 90.0, 99.0, 60.0])
    ]
    keeping.look(rows[:3])
    assert bytes_of(storage) == [refs[1], refs[2], refs[3]]
    keeping.look(rows)
    assert bytes_of(storage) == [refs[1]]


def test_other_sweeps_models_are_not_touched(storage: Storage) -> None:
    tracker = tracker_of(storage)
    run = tracker.start_run(SweepIdentity("other", "ffff").run("trial-0000", "train", {}))
    theirs = log(run, storage, "trained-model", "model", {"other": 0}, b"theirs").ref
    run.finish()
    trained(storage, 0)
    good = trained(storage, 1)
    look(storage, row(0, 90.0), row(1, 95.0))
    assert bytes_of(storage) == [theirs, good]
