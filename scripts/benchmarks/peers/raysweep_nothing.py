"""raysweep with trials that do nothing: when each ended, and the driver's memory by then."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.peers import settings, tell
from raysweep import run_sweep
from raysweep.config import Config
from raysweep.pipeline.events import Event, TrialUpdated


class Ends:
    """An observer."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.rss_bytes: list[int] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.state != "running":
            assert event.state == "completed", event.error
            self.times.append(time.time())
            self.rss_bytes.append(_rss_bytes())


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """A grid of so many trials on so many CPUs."""
    asked = settings()
    ends = Ends()
    config = {
        "data": {"target": "benchmarks.peers.nothing:data"},
        "preprocess": {"normalize": False, "expand_dims": False},
        "model": {"target": "benchmarks.peers.nothing:network"},
        "train": {"target": "benchmarks.peers.nothing:Trainer", "epochs": 2},
        "evaluate": {"target": "benchmarks.peers.nothing:evaluate"},
        "resources": {"cpus": 1, "gpus": 0, "max_concurrent": asked["cpus"]},
        "tracking": {"backend": "trackio"},
        "storage": asked["storage"],
        "sweep": {
            "method": "grid",
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": {"value": {"values": [float(i) for i in range(asked["trials"])]}},
        },
    }
    run_sweep(Config.from_dict(config), observer=ends)
    assert len(ends.times) == asked["trials"]
    tell(ends=ends.times, rss_bytes=ends.rss_bytes)


if __name__ == "__main__":
    main()
