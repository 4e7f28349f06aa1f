"""Run a sweep of no-op trials that a budget ends after two; record when the first one starts."""

from __future__ import annotations

import resource
import time

from benchmarks.peers import nothing, print_figures, settings
from raysweep import run_sweep
from raysweep.events import Event, TrialUpdated


def main() -> None:
    """Run two trials of a grid with `trials` combinations."""
    asked = settings()
    started: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.state == "running":
            started.append(time.time())

    config = nothing.sweep(asked["trials"])
    config["sweep"]["max_trials"] = 2
    config["resources"] = {"cpus": 1, "gpus": 0, "max_concurrent": asked["cpus"]}
    run_sweep(config, storage=asked["storage"], observer=observe)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print_figures(first_trial=started[0], peak_bytes=peak)


if __name__ == "__main__":
    main()
