"""Open a sweep's tracker and its trials' checkpoints on the driver, for use on every node."""

from __future__ import annotations

import os
from pathlib import Path

from raysweep.cluster.nodes import in_one_process
from raysweep.cluster.remote_checkpoints import RemoteCheckpoints
from raysweep.cluster.remote_store import RemoteStore
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import Tracker


def open_tracker(
    backend: str,
    root: Path,
    project: str,
    entity: str | None,
    folder: SweepFolder,
    *,
    programs: bool = False,
) -> tuple[Tracker, RemoteStore, RemoteCheckpoints]:
    """Return the sweep's tracker, the writer's proxy and the trials' checkpoints.

    All can be passed to tasks, trials and actors. W&B's client keeps its files in the sweep's
    `folder`, unless WANDB_DIR names another. `programs`: the sweep's trials are programs.
    """
    from raysweep.tracking.trackio.tracker import TrackioTracker

    store = RemoteStore.start(root, project, folder.checkpoints)
    checkpoints = RemoteCheckpoints(store, folder.checkpoints)
    local = TrackioTracker(store)
    if programs and in_one_process():  # threads hear it, whose calls Ray's local mode dies of
        from raysweep.tracking.trackio.store import TrackioStore

        local = TrackioTracker(TrackioStore(root, project))
    if backend != "wandb":
        return local, store, checkpoints
    from raysweep.tracking.mirror.tracker import MirroredTracker
    from raysweep.tracking.wandb.settings import UserSettings
    from raysweep.tracking.wandb.tracker import WandbTracker

    settings = UserSettings.of(os.environ, folder.path)
    remote = WandbTracker(project, entity, settings)
    if programs:
        from raysweep.tracking.mirror.program import ProgramTracker

        return ProgramTracker(local, remote), store, checkpoints
    return MirroredTracker(local, remote), store, checkpoints
