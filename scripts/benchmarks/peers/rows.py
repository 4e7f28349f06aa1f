"""Log so many rows of history, one by one, and wait until all are on the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.peers import print_figures, settings


def values(step: int) -> dict[str, float]:
    """Return a row as training logs it."""
    return {"loss": 1 / (step + 1), "accuracy": step / 10_000, "lr": 0.1}


def through_writer(rows: int, folder: Path) -> float:
    """As a trial does: over Ray, to the actor that has the store. Returns seconds."""
    import ray

    from raysweep.cluster.remote_store import RemoteStore
    from raysweep.tracking.identity import SweepIdentity
    from raysweep.tracking.trackio.tracker import TrackioTracker

    ray.init(include_dashboard=False, num_cpus=1, log_to_driver=False)
    store = RemoteStore.start(folder / "tracker", "bench", folder / "checkpoints")
    run = TrackioTracker(store).start_run(SweepIdentity("b", "5ca1ab1e", ()).run("a", "train", {}))
    run.flush()
    began = time.perf_counter()
    for step in range(rows):
        run.log(values(step), step)
    run.flush()
    took = time.perf_counter() - began
    assert len(store.history(run.id)) == rows
    return took


def through_trackio(rows: int, folder: Path) -> float:
    """Trackio's own client, with the store on this disk."""
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    trackio.init(project="bench", name="a", embed=False)
    began = time.perf_counter()
    for step in range(rows):
        trackio.log(values(step), step=step)
    trackio.finish()  # type: ignore[no-untyped-call]
    took = time.perf_counter() - began
    assert len(SQLiteStorage.get_logs("bench", "a")) == rows
    return took


def through_wandb(rows: int, folder: Path) -> float:
    """W&B's client, offline."""
    os.environ.update(WANDB_MODE="offline", WANDB_DIR=str(folder), WANDB_SILENT="true")
    import wandb

    run = wandb.init(project="bench")
    began = time.perf_counter()
    for step in range(rows):
        run.log(values(step), step=step)
    run.finish()
    return time.perf_counter() - began


def main() -> None:
    """Print how many rows a second it took."""
    asked = settings()
    folder = Path(asked["folder"])
    folder.mkdir(parents=True)
    ways = {"raysweep": through_writer, "trackio": through_trackio, "wandb": through_wandb}
    print_figures(rows_per_s=asked["rows"] / ways[asked["way"]](asked["rows"], folder))


if __name__ == "__main__":
    main()
