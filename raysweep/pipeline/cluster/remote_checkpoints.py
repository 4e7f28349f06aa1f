"""Trials' checkpoints, beside the driver, from any node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from raysweep.pipeline.trials.checkpoints import CheckpointFolder

if TYPE_CHECKING:
    from raysweep.pipeline.cluster.remote import RemoteStore


class RemoteCheckpoints:
    """The `CheckpointStore` in the sweep's folder, from any node: where the folder is not at hand,
    bytes go through the store's writer."""

    def __init__(self, store: RemoteStore, folder: Path) -> None:
        self._store = store
        self._folder = CheckpointFolder(folder)

    def keep(self, trial: str, epochs: int, data: bytes) -> None:
        """See CheckpointStore."""
        if self._store.shares_files:
            self._folder.keep(trial, epochs, data)
        else:
            self._store.keep_checkpoint(trial, epochs, data)

    def forget(self, trial: str) -> None:
        """See CheckpointStore."""
        if self._store.shares_files:
            self._folder.forget(trial)
        else:
            self._store.forget_checkpoint(trial)

    def latest(self, trial: str) -> bytes | None:
        """See CheckpointStore."""
        shared = self._store.shares_files
        return self._folder.latest(trial) if shared else self._store.latest_checkpoint(trial)
