"""A run costs the store as much among many runs as among few: counted in steps of SQLite."""

from __future__ import annotations

from pathlib import Path

from raysweep.tracking import ArtifactDraft
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

SWEEP = SweepIdentity("grows", "5ca1ab1e")


def test_a_run_is_as_cheap_among_400_as_among_40(tmp_path: Path) -> None:
    store = TrackioStore(tmp_path / "store", "project")
    tracker = TrackioTracker(store)
    file = tmp_path / "weights.bin"
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def draft(name: str, kind: str) -> ArtifactDraft:
        return ArtifactDraft(name, kind, "of a test", {}, {"file": file})

    def train(index: int) -> None:
        run = tracker.start_run(SWEEP.run(f"trial-{index:04d}", "train", {"index": index}))
        run.use_artifact(data.ref)
        run.log({"loss": 1.0}, step=1)
        run.flush()
        file.write_text(f"{index}")
        run.log_artifact(draft("trained-model", "model"))
        run.finish()

    file.write_text("data")
    load = tracker.start_run(SWEEP.run("load", "load-data", {}))
    data = load.log_artifact(draft("raw", "dataset"))
    load.finish()
    connection = store._database._opened()  # the thread's own, which each call reuses
    connection.set_progress_handler(count, 20)
    taken = []
    for first, last in ((40, 60), (380, 400)):
        for index in range(0 if first == 40 else 60, first):
            train(index)
        steps = 0
        for index in range(first, last):
            train(index)
        taken.append(steps)
    assert taken[0] > 500, "they are counted"
    assert taken[1] <= 1.05 * taken[0]
    steps = 0
    assert tracker.run(SWEEP.run_id("trial-0042")).logged == ("trained-model:v42",)
    assert steps <= 50, "one run is read without all others"
    tracker.close()
