"""Run raysweep with no-op trials; record when each ended, and the driver's memory then."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.peers import nothing, print_figures, settings
from raysweep import run_sweep
from raysweep.events import Event, TrialUpdated


class Ends:
    """An observer that records each trial's end."""

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
    """Run a grid of `trials` trials on `cpus` CPUs."""
    asked = settings()
    ends = Ends()
    resources = {"cpus": 1, "gpus": 0, "max_concurrent": asked["cpus"]}
    config = {**nothing.sweep(asked["trials"]), "resources": resources}
    run_sweep(config, storage=asked["storage"], observer=ends)
    assert len(ends.times) == asked["trials"]
    print_figures(ends=ends.times, rss_bytes=ends.rss_bytes, ended=time.time())


if __name__ == "__main__":
    main()
