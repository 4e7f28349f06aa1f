"""Resume the latest sweep of a storage; record when its first trial starts."""

from __future__ import annotations

import time

from benchmarks.peers import print_figures, settings
from raysweep import resume_sweep
from raysweep.events import Event, TrialUpdated


def main() -> None:
    """Run what is left of it."""
    started: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, TrialUpdated) and event.state == "running":
            started.append(time.time())

    resume_sweep(storage=settings()["storage"], observer=observe)
    print_figures(first_trial=started[0])


if __name__ == "__main__":
    main()
