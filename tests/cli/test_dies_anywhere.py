"""A driver that dies right after any write can be resumed from what it had written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from raysweep import resume_sweep, run_sweep
from raysweep.errors import UserError

from commands import environment, raysweep
from outcomes import outcome
from sweeps import HAS_LOCAL_MODE, digits, grid, one_process
from warm import Warm, warm

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

SWEEP = """
import os, sys
from importlib import import_module

config, storage, module, owner, method, count = sys.argv[1:]
owner = getattr(import_module(module), owner) if owner else import_module(module)
real, calls = getattr(owner, method), [0]

def dying(*args, **options):
    answer = real(*args, **options)
    calls[0] += 1
    if calls[0] == int(count):
        os._exit(9)
    return answer

setattr(owner, method, dying)
from raysweep import run_sweep
run_sweep(config, name="mine", storage=storage, local_mode=True)
"""

JOURNAL = "raysweep.storage.journal"
REMOTE_STORE = "raysweep.cluster.remote_store"
TRACKER = "raysweep.tracking.trackio.tracker"
WRITTEN = "the result is written"
HALF_WRITTEN = {
    "the best is half downloaded": (REMOTE_STORE, "RemoteStore", "blob_path", 14),
    "the result is half written": ("raysweep.storage.atomic", "", "_sync", 4),
}
MOMENTS = {
    "a stage's version is logged": (REMOTE_STORE, "RemoteStore", "commit_artifact", 2),
    "a stage has ended": (JOURNAL, "Journal", "write", 3),
    "a trial is suggested": (JOURNAL, "Journal", "write", 5),
    "rows are logged": (REMOTE_STORE, "RemoteStore", "log_rows", 3),
    "a checkpoint is kept": ("raysweep.storage.checkpoints", "CheckpointFolder", "keep", 2),
    "an epoch is journalled": (JOURNAL, "Journal", "write", 6),
    "a model is logged": (REMOTE_STORE, "RemoteStore", "commit_artifact", 4),
    "a trial's run has ended": (REMOTE_STORE, "RemoteStore", "update_run", 8),
    "the best is tagged": (REMOTE_STORE, "RemoteStore", "set_alias", 1),
    "the best is downloaded": (TRACKER, "TrackioTracker", "download", 4),
    WRITTEN: ("raysweep.storage.sweep_folder", "SweepFolder", "write_result", 1),
    **HALF_WRITTEN,
}


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    rates = grid(learning_rate=[0.01, 0.03])
    data = {"train_size": 200, "root": "/none"}  # the same in each process's records
    return digits(rates, model={"hidden_layer_sizes": [2, 4]}, data=data)


@pytest.fixture(scope="module")
def expected(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The outcome of an undisturbed sweep. Starts Ray for the resumed ones."""
    storage = tmp_path_factory.mktemp("whole")
    with one_process():
        run_sweep(config, name="mine", storage=storage)
        yield outcome(storage, "mine")


@pytest.fixture(scope="module")
def dying() -> Iterator[Warm]:
    with warm() as made:
        yield made


Die = Callable[[str], Path]


@pytest.fixture
def die(config: dict[str, Any], dying: Warm, tmp_path: Path) -> Die:
    """die(moment): run the sweep `mine`, whose driver dies at that moment; return its storage."""
    file, storage = tmp_path / "sweep.yaml", tmp_path / "runs"
    file.write_text(yaml.safe_dump(config))

    def run(moment: str) -> Path:
        where = [str(part) for part in MOMENTS[moment]]
        with dying.start(SWEEP, [str(file), str(storage), *where], environment()) as process:
            said = process.stdout.read()
        assert process.returncode == 9, said
        return storage

    return run


@pytest.mark.parametrize("moment", sorted(MOMENTS.keys() - {WRITTEN}))
def test_it_continues_from_there(moment: str, expected: dict[str, Any], die: Die) -> None:
    storage = die(moment)
    assert bool(list(storage.glob("mine/.*"))) == (moment in HALF_WRITTEN)
    resume_sweep(storage=storage)
    assert_alike(storage, expected)


def test_resume_cleans_up(expected: dict[str, Any], die: Die) -> None:
    storage = die(WRITTEN)
    assert raysweep("resume", "--storage", storage, "--json")["sweep"] == "mine"
    assert_alike(storage, expected)


def test_resume_sweep_cleans_up(expected: dict[str, Any], die: Die) -> None:
    storage = die(WRITTEN)
    with pytest.raises(UserError, match="mine: has ended"):
        resume_sweep(storage=storage)
    assert_alike(storage, expected)


def test_what_cannot_be_cleaned_up_is_left_to_the_next_sweep(die: Die) -> None:
    storage = die(WRITTEN)
    (database,) = (storage / "tracker").glob("*.db")
    kept = database.read_bytes()
    for path in (storage / "tracker").glob("*.db*"):
        path.unlink()
    database.write_bytes(b"no database" * 100)
    assert raysweep("resume", "--storage", storage, "--json")["sweep"] == "mine"
    assert (storage / "mine" / "running.lock").exists()
    database.write_bytes(kept)
    assert raysweep("resume", "--storage", storage, "--json")["sweep"] == "mine"
    assert not (storage / "mine" / "running.lock").exists()


def test_the_next_sweep_cleans_up(
    config: dict[str, Any], expected: dict[str, Any], die: Die
) -> None:
    storage = die(WRITTEN)
    (blobs,) = storage.glob("tracker/artifacts/*/blobs/sha256")
    partial = blobs / ".partial.of-a-trial"
    partial.touch()
    os.utime(partial, (0, 0))
    run_sweep(config, name="next", storage=storage)
    assert_alike(storage, expected)
    assert not partial.exists()


def assert_alike(storage: Path, expected: dict[str, Any]) -> None:
    came = outcome(storage, "mine")
    for what in expected:
        assert came[what] == expected[what]
