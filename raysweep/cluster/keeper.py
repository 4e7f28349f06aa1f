"""What the one writer beside a sweep's driver keeps: the store, and trials' checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.storage.record import NOTE
from raysweep.storage.waiting import Note
from raysweep.tracking import ArtifactVersion
from raysweep.tracking.trackio.models import LoggedModel
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.wanted import is_at_uri


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

    def find_artifact(self, name: str, fingerprint: str) -> ArtifactVersion | None:
        """See Store. For a sweep that is to use its files: one whose files a power cut took is made
        again, as the same version."""
        found = super().find_artifact(name, fingerprint)
        return found if found is not None and self._has_files(found) else None

    def models(self, group: str, name: str) -> list[LoggedModel]:
        """See Removing."""
        return self.removing.models(group, name)

    def drop(self, refs: Sequence[str], why: str) -> list[str]:
        """See Removing."""
        return self.removing.drop(refs, why)

    def bury(self, only: Sequence[str] | None, keep_note: bool) -> list[str]:
        """See Removing."""
        return self.removing.bury(only, keep_note=keep_note)

    def forget_bytes(self, paths: Sequence[str]) -> None:
        """See Removing.forget."""
        self.removing.forget(paths)

    def stage_checkpoint(self, name: str, offset: int, chunk: bytes) -> None:
        """See CheckpointFolder.stage."""
        self._checkpoints.stage(name, offset, chunk)

    def commit_checkpoint(self, trial: str, epochs: int, name: str) -> None:
        """See CheckpointFolder.commit."""
        self._checkpoints.commit(trial, epochs, name)

    def list_checkpoints(self, trial: str) -> list[tuple[str, str]]:
        """The trial's files, the latest first: name, and what the bytes must hash to."""
        return [(kept.path.name, kept.digest) for kept in self._checkpoints.files(trial)]

    def read_checkpoint(self, name: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes of the file from `offset`; none of one that cannot be read."""
        try:
            with (self._checkpoints.folder / name).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError:
            return b""

    def forget_checkpoints(self, trial: str) -> None:
        """See CheckpointStore."""
        self._checkpoints.forget(trial)

    def _has_files(self, version: ArtifactVersion) -> bool:
        """Whether they are as long as they were: a file that was not synced is shorter, or gone.
        One that is at the storage's URI is downloaded when it is read."""
        return all(
            self._blobs.has(file.digest, file.size_bytes)
            or is_at_uri(self._blobs.path(file.digest))
            for file in version.files
        )
