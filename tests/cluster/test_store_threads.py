"""The store's stand-in, called by many threads of one process at once, as a program's endpoint."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray

from raysweep.cluster import remote_store
from raysweep.cluster.remote_store import RemoteStore
from raysweep.tracking.port import RunSpec
from raysweep.tracking.store import Row


def test_each_thread_gets_its_own_answers(two_cpus_of_a_cluster: None, tmp_path: Path) -> None:
    store = RemoteStore.start(tmp_path / "tracker", "p", tmp_path / "checkpoints")

    def work(name: str) -> list[object]:
        store.start_run(RunSpec(name, name, "train", "g"))
        found: list[object] = []
        for step in range(15):
            store.log_rows(name, [Row(f"{name}:{step}", step, {"x": step}, {})])
            (run,) = store.runs(run_id=name)
            found.append(run.id)
        store.update_run(name, {"last": 14}, "finished")
        store.flush()
        return [*found, [row["x"] for row in store.history(name)]]

    names = [f"run-{number}" for number in range(8)]
    try:
        with ThreadPoolExecutor(len(names)) as pool:
            for name, found in zip(names, pool.map(work, names), strict=True):
                assert found == [name] * 15 + [list(range(15))]
        assert {run.state for run in store.runs("g")} == {"finished"}
    finally:
        store.stop()


def test_a_burst_of_rows_looks_at_the_writer_now_and_then(
    two_cpus_of_a_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return wait(*arguments, **options)

    wait = ray.wait
    store = RemoteStore.start(tmp_path / "tracker", "p", tmp_path / "checkpoints")
    try:
        store.start_run(RunSpec("a", "a", "train", "g"))
        store.flush()
        monkeypatch.setattr(ray, "wait", counted)
        began = time.monotonic()
        for step in range(2_000):
            store.log_rows("a", [Row(f"a:{step}", step, {"x": step}, {})])
        took = time.monotonic() - began
        monkeypatch.undo()
        store.flush()
        assert looks <= took / remote_store._LOOK_S + 1
        assert [row["x"] for row in store.history("a")] == list(range(2_000))
    finally:
        store.stop()
