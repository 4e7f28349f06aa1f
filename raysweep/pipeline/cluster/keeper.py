"""What the one writer beside a sweep's driver keeps: the store, and trials' checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raysweep.pipeline.storage.record import NOTE
from raysweep.pipeline.storage.waiting import Note
from raysweep.pipeline.trials.checkpoints import CheckpointFolder
from raysweep.tracking.trackio_store import TrackioStore


class Keeper(TrackioStore):
    """The store, and the checkpoints of trials on machines that cannot write into their folder."""

    def __init__(self, root: Path, project: str, checkpoints: Path) -> None:
        super().__init__(root, project, Note(checkpoints.with_name(NOTE)))
        self._checkpoints = CheckpointFolder(checkpoints)

    def take_turn(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """The answer to each of these calls, which are made one after the other.

        All are made, then the first fault is raised: a run's end is kept though its rows were
        wrong.

        They may come a second time: what was cut short is sent again as a whole.
        """
        answers: list[Any] = []
        faults: list[Exception] = []
        for method, arguments in calls:
            try:
                answers.append(getattr(self, method)(*arguments))
            except Exception as error:  # noqa: BLE001 - raised below
                faults.append(error)
        if faults:
            raise faults[0]
        return answers

    def keep_checkpoint(self, trial: str, epochs: int, data: bytes) -> None:
        """See CheckpointStore."""
        self._checkpoints.keep(trial, epochs, data)

    def latest_checkpoint(self, trial: str) -> bytes | None:
        """See CheckpointStore."""
        return self._checkpoints.latest(trial)

    def forget_checkpoint(self, trial: str) -> None:
        """See CheckpointStore."""
        self._checkpoints.forget(trial)
