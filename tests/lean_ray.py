"""Ray's own command, but a node that it starts is as raysweep's own Ray is: its workers are copies,
and its agents start when somebody asks. For tests that start many, and are about something else."""

from __future__ import annotations

from ray.scripts.scripts import main

from raysweep.cluster.faststart import fork_server, lean
from raysweep.cluster.faststart.probe import usable
from raysweep.trials.training.kind import PRELOAD

if __name__ == "__main__":
    with fork_server.running(PRELOAD), lean.patched(usable()):
        main()
