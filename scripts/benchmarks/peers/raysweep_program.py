"""raysweep with a program as its trial; what the program noted of itself, and when it was heard."""

from __future__ import annotations

import os
import tempfile
import time

from benchmarks.peers import print_figures, programs, settings
from raysweep import run_sweep
from raysweep.events import Event, TrialUpdated


class FirstRow:
    """An observer that notes when the driver first hears of a row."""

    at = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.epoch and not self.at:
            self.at = time.time()


def main() -> None:
    """Run a grid of `trials` trials of `program`, `cpus` at once."""
    asked = settings()
    config = {
        "program": {"directory": str(programs.FOLDER)},
        "resources": {"cpus": 1, "gpus": 0, "max_concurrent": asked["cpus"]},
        "sweep": programs.sweep(asked["program"], asked["trials"]),
    }
    heard = FirstRow()
    with tempfile.TemporaryDirectory() as notes:
        os.environ["BENCH_NOTES"] = notes
        run_sweep(config, storage=asked["storage"], observer=heard)
        noted = programs.read_notes(notes, asked["trials"])
        print_figures(notes=noted, heard=heard.at, driver_cpu_s=time.process_time())


if __name__ == "__main__":
    main()
