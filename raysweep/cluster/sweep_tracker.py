"""A sweep's tracker and its trials' checkpoints, opened on the driver, used on every node."""

from __future__ import annotations

import os
from pathlib import Path

from raysweep.cluster.remote_checkpoints import RemoteCheckpoints
from raysweep.cluster.remote_store import RemoteStore
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import Tracker


def open_tracker(
    backend: str, root: Path, project: str, entity: str | None, folder: SweepFolder
) -> tuple[Tracker, RemoteStore, RemoteCheckpoints]:
    """The sweep's tracker and the trials' checkpoints, ready to be handed to tasks, trials and
    actors; and the one writer of both.

    In the sweep's `folder` W&B's client keeps its files, too, unless WANDB_DIR says.
    """
    from raysweep.tracking.trackio.tracker import TrackioTracker

    store = RemoteStore.start(root, project, folder.checkpoints)
    checkpoints = RemoteCheckpoints(store, folder.checkpoints)
    here = TrackioTracker(store)
    if backend != "wandb":
        return here, store, checkpoints
    from raysweep.tracking.mirror.tracker import MirroredTracker
    from raysweep.tracking.wandb.settings import Habits
    from raysweep.tracking.wandb.tracker import WandbTracker

    habits = Habits.of(os.environ, folder.path)
    there = WandbTracker(project, entity, habits)
    return MirroredTracker(here, there), store, checkpoints
