"""The cost of one more no-op trial, in counts that are equal on every machine: calls, waits, bytes.

`scripts/bench` measures the same cost in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import nothing
from raysweep import run_sweep
from raysweep.cluster import remote_store
from raysweep.cluster.remote_store import RemoteStore
from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.tracking.trackio import tracker as embedded

from sweeps import HAS_LOCAL_MODE

pytestmark = pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")

FEW, MANY = 2, 6

CALLS = {
    "start_run": 1,
    "use_artifact": 2,
    "log_rows": 2,
    "commit_artifact": 1,
    "update_run": 2,
}
"""Calls of the store for a trial of two epochs, without those that a sweep makes once."""

WAITS = 4
"""Calls that wait for an answer: one after each epoch, for the model's version, and at the end."""


@pytest.fixture(scope="module")
def counts(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """The counts of a sweep of FEW trials, and of one of MANY."""
    return {str(trials): _count(trials, tmp_path_factory.mktemp("runs")) for trials in (FEW, MANY)}


def _count(trials: int, storage: Path) -> Counter[str]:
    seen: Counter[str] = Counter()

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            seen[name] += 1
            return real(*args, **options)

        return counted

    def keeping(self: CheckpointFolder, trial: str, epochs: int, data: bytes) -> None:
        seen["checkpoint bytes"] += len(data)
        keep(self, trial, epochs, data)

    def sending(self: RemoteStore) -> None:
        seen["batch"] += 1
        seen.update(f"call {method}" for method, _ in self._queued)
        send(self)

    keep, send = CheckpointFolder.keep, RemoteStore._send
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RemoteStore, "_send", sending)
        patch.setattr(remote_store, "get", counting("wait", remote_store.get))
        patch.setattr(embedded, "take_file", counting("file taken", embedded.take_file))
        patch.setattr(CheckpointFolder, "keep", keeping)
        run_sweep(nothing.sweep(trials), storage=storage)
    blobs = (storage / "tracker" / "artifacts").rglob("sha256/*/*")
    seen["bytes kept"] = sum(blob.stat().st_size for blob in blobs)
    return seen


def _a_trial(counts: dict[str, Counter[str]], name: str) -> float:
    return (counts[str(MANY)][name] - counts[str(FEW)][name]) / (MANY - FEW)


def test_the_trackers_calls_for_a_trial(
    counts: dict[str, Counter[str]],
) -> None:
    names = {name for name in counts[str(MANY)] if name.startswith("call ")}
    more = {name.removeprefix("call "): _a_trial(counts, name) for name in names}
    assert {name: calls for name, calls in more.items() if calls} == CALLS


def test_a_trial_waits_for_the_tracker_only_where_it_needs_an_answer(
    counts: dict[str, Counter[str]],
) -> None:
    assert _a_trial(counts, "wait") == WAITS
    assert _a_trial(counts, "batch") == WAITS + 1, "the run's start is sent at once"


def test_the_data_set_is_taken_from_the_store_once(counts: dict[str, Counter[str]]) -> None:
    assert counts[str(FEW)]["file taken"] > 0
    assert _a_trial(counts, "file taken") == 0


def test_a_trial_keeps_its_model_and_little_else(counts: dict[str, Counter[str]]) -> None:
    """All of these models are the same blob, so each adds only its metadata."""
    assert 0 < _a_trial(counts, "bytes kept") < 2_000
    assert _a_trial(counts, "checkpoint bytes") < 2 * 5_000
