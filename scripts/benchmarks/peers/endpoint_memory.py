"""The private memory that a program's trial adds to its worker, and that of its supervisor.

The store is in this process, too, and has its memory before: it is the writer's in a sweep.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import ray  # noqa: F401 - a worker has it

from benchmarks.peers import print_figures, settings
from raysweep.config import Config
from raysweep.search.spec import TrialSpec
from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.store import Row
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.trials import trainable  # noqa: F401 - a worker has it
from raysweep.trials.context import TrialContext
from raysweep.trials.program.workload import Program
from raysweep.trials.trial import TrialSession

ROWS = 10_000
SCRIPT = f"""
import wandb
with wandb.init() as run:
    for step in range({ROWS}):
        run.log({{"loss": step, "accuracy": step, "lr": 0.1}})
"""


def main() -> None:
    """Log the rows once straight to the store, and once from a program."""
    root = Path(settings()["folder"])
    users = root / "user"
    users.mkdir(parents=True)
    (users / "train.py").write_text(SCRIPT)
    store = TrackioStore(root / "tracker", "bench")
    tracker = TrackioTracker(store)
    sweep = SweepIdentity("bench", "5ca1ab1e", ())
    before = tracker.start_run(sweep.run("before", "train", {}))
    for first in range(0, ROWS, 500):
        values = {"loss": 1.0, "accuracy": 1.0, "lr": 0.1}
        steps = range(first, first + 500)
        store.log_rows(sweep.run_id("before"), [Row(f"b{at}", at, values, {}) for at in steps])
    before.finish("finished", None)
    had = private_bytes(os.getpid())
    most = Most()
    session = TrialSession(Program(), _context(root, users, tracker, sweep), _spec())
    while not session.done:
        session.advance(1.0)
    most.stop()
    print_figures(worker_bytes=most.worker - had, supervisor_bytes=most.supervisor)


class Most(threading.Thread):
    """Looks at this process and at its supervisor, until `stop`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.worker = self.supervisor = 0
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        me = os.getpid()
        while not self._over.wait(0.2):
            self.worker = max(self.worker, private_bytes(me))
            for pid in _children():
                self.supervisor = max(self.supervisor, private_bytes(pid))

    def stop(self) -> None:
        self._over.set()
        self.join()


def private_bytes(pid: int) -> int:
    """Return the memory that would be free if the process ended; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        try:
            found += [int(pid) for pid in (task / "children").read_text().split()]
        except OSError:
            continue
    return [pid for pid in found if "supervisor.py" in Path(f"/proc/{pid}/cmdline").read_text()]


def _context(
    root: Path, users: Path, tracker: TrackioTracker, sweep: SweepIdentity
) -> TrialContext:
    section = {
        "program": "train.py",
        "method": "grid",
        "metric": {"name": "loss"},
        "parameters": {"x": {"values": [1]}},
    }
    config = Config.from_dict({"program": {"directory": str(users)}, "sweep": section})
    return TrialContext(
        sweep=sweep,
        tracker=tracker,
        config=config,
        versions=lambda _: {},
        inputs=root / "sweep" / "inputs",
        metric="loss",
        goal="minimize",
        threads=1,
        gpus=0,
        checkpoints=CheckpointFolder(root / "checkpoints"),
    )


def _spec() -> TrialSpec:
    return TrialSpec(0, {"x": 1})


if __name__ == "__main__":
    assert sys.platform == "linux"
    main()
