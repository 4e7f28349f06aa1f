"""Trials on other raylets than the store, which sleep, log rows and keep checkpoints.

Each raylet has one process with a thread a trial, so that the writer is measured and not this
machine's memory. A row has the time when it was logged; the store notes when it has it.
"""

from __future__ import annotations

import datetime
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from benchmarks.peers import print_figures, settings
from raysweep.cluster.remote_checkpoints import RemoteCheckpoints
from raysweep.cluster.remote_store import RemoteStore
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.port import ArtifactDraft
from raysweep.tracking.trackio.tracker import TrackioTracker

ROWS_PER_S = 10
CHECKPOINT_BYTES = 100_000
SWEEP = SweepIdentity("bench", "5ca1ab1e", ())


class Machine:
    """The trials of one raylet."""

    def sleepers(
        self, store: RemoteStore, checkpoints: RemoteCheckpoints, names: list[str], seconds: float
    ) -> int:
        """Run them to their end; return how many rows they have logged."""
        threads = [
            threading.Thread(target=_sleep, args=(*_own(store, checkpoints), name, seconds))
            for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(names) * int(seconds * ROWS_PER_S)

    def model(self, store: RemoteStore, size: int, folder: str) -> float:
        """Log an artifact of one file of so many bytes; return how many seconds that took."""
        file = Path(folder, "model.bin")
        file.write_bytes(b"")
        with file.open("wb") as out:
            block = os.urandom(2**20)
            for number in range(size // 2**20):
                out.write(number.to_bytes(8, "big") + block[8:])
        run = TrackioTracker(store).start_run(SWEEP.run("large", "train", {}))
        began = time.perf_counter()
        run.log_artifact(ArtifactDraft("model", "model", "", {}, {"model.bin": file}))
        took = time.perf_counter() - began
        run.finish("finished", None)
        file.unlink()
        return took


def _own(store: RemoteStore, checkpoints: RemoteCheckpoints) -> tuple[Any, Any]:
    """Return a proxy of a trial's own, as each worker has it."""
    make, arguments = store.__reduce__()
    own = make(*arguments)
    return own, RemoteCheckpoints(own, checkpoints._folder.folder)


def _sleep(store: RemoteStore, checkpoints: RemoteCheckpoints, name: str, seconds: float) -> None:
    run = TrackioTracker(store).start_run(SWEEP.run(name, "train", {}))
    began = time.monotonic()
    for step in range(int(seconds * ROWS_PER_S)):
        time.sleep(max(0.0, began + step / ROWS_PER_S - time.monotonic()))
        run.log({"sent": time.time(), "loss": 1 / (step + 1)}, step)
        if step % ROWS_PER_S == 0:
            checkpoints.keep(name, step + 1, os.urandom(CHECKPOINT_BYTES))
    run.finish("finished", None)


def main() -> None:
    """Run `trials` sleepers for `seconds` on `raylets`; with `model_bytes`, log a model meanwhile.
    `folder` takes the store."""
    asked = settings()
    folder = Path(asked["folder"])
    folder.mkdir(parents=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(asked["raylets"]):
        cluster.add_node(num_cpus=1)
    model_bytes = asked.get("model_bytes", 0)
    if model_bytes:
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        print_figures(**_measure(asked, folder, model_bytes))
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def _measure(asked: dict[str, Any], folder: Path, model_bytes: int) -> dict[str, float]:
    store = RemoteStore.start(folder / "tracker", "bench", folder / "checkpoints")
    checkpoints = RemoteCheckpoints(store, folder / "checkpoints")
    store.runs()
    spread: Any = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(Machine)
    machines: list[Any] = [spread.remote() for _ in range(asked["raylets"] + bool(model_bytes))]
    names = [f"trial-{number:04d}" for number in range(asked["trials"])]
    writer = _Watch(_pid_of("ray::Writer"))
    large = [machines.pop().model.remote(store, model_bytes, str(folder))] if model_bytes else []
    shares = [names[at :: len(machines)] for at in range(len(machines))]
    sleeping = [
        machine.sleepers.remote(store, checkpoints, share, asked["seconds"])
        for machine, share in zip(machines, shares, strict=True)
    ]
    logged = sum(ray.get(sleeping))
    model_s = ray.get(large)
    store.flush()
    writer.stop()
    rows = _rows_of(next((folder / "tracker").rglob("bench*.db")))
    late = [stored - sent for stored, sent in rows]
    span = max(stored for stored, _ in rows) - min(sent for _, sent in rows)
    return {
        "logged": logged,
        "lost": logged - len(late),
        "rows_per_s": len(rows) / span,
        "latest_s": max(late),
        "writer_cores": writer.cpu_s / span,
        "writer_grew_bytes": writer.most_bytes - writer.had_bytes,
        **({"model_s": model_s[0]} if model_s else {}),
    }


def _rows_of(database: Path) -> list[tuple[float, float]]:
    """Return when each row was stored, and when it was logged."""
    with sqlite3.connect(database) as db:
        found = db.execute(
            "SELECT timestamp, json_extract(metrics, '$.sent') FROM metrics "
            "WHERE json_extract(metrics, '$.sent') IS NOT NULL"
        ).fetchall()
    return [(datetime.datetime.fromisoformat(at).timestamp(), sent) for at, sent in found]


def _pid_of(title: str) -> int:
    """Return the descendant of this process to which Ray has given this title."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes().startswith(title.encode()) and _is_ours(entry):
                return int(entry.name)
        except OSError:  # it has ended just now
            continue
    raise AssertionError(f"no process {title}")


def _is_ours(entry: Path) -> bool:
    pid = int(entry.name)
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


class _Watch(threading.Thread):
    """Looks at a process's memory until `stop`, which also notes the CPU time that it took."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._over = pid, threading.Event()
        self.cpu_s = -self._cpu_s()
        self.had_bytes = self.most_bytes = self._bytes()
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.2):
            self.most_bytes = max(self.most_bytes, self._bytes())

    def stop(self) -> None:
        self._over.set()
        self.join()
        self.cpu_s += self._cpu_s()

    def _bytes(self) -> int:
        """Return its own memory: without Ray's object store, which it shares with all."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return 1024 * int(status.partition("RssAnon:")[2].split()[0])

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
