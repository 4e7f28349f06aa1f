"""The writer actor on the driver's node: it alone writes to the store, checkpoints and logs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray

from raysweep.cluster.in_flight import READING, RECEIVING
from raysweep.paths import safe_join
from raysweep.storage.checkpoints import CheckpointFolder
from raysweep.storage.log_file import LogFile
from raysweep.storage.record import NOTE
from raysweep.storage.sweep_folder import LOGS
from raysweep.storage.waiting import Note
from raysweep.tracking import ArtifactVersion
from raysweep.tracking.trackio.models import LoggedModel
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.wanted import is_at_uri


class Writer(TrackioStore):
    """The store, and the checkpoints of trials on machines that do not have the sweep's folder."""

    def __init__(self, root: Path, project: str, checkpoints: Path) -> None:
        super().__init__(root, project, Note(checkpoints.with_name(NOTE)))
        self._checkpoints = CheckpointFolder(checkpoints)
        self._logs = checkpoints.with_name(LOGS)

    def run_batch(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Make these calls one after the other; return their answers.

        All calls are made before the first error is raised: a run's end is recorded even if its
        rows were invalid.

        Calls are idempotent: if the writer dies during a batch, Ray sends the whole batch again.
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
        """See Store. Returns None if a power failure lost the version's files, so that the sweep
        makes them again, as the same version."""
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

    @ray.method(concurrency_group=RECEIVING)
    def stage_chunk(self, upload: str, offset: int, chunk: bytes) -> None:
        """See Store."""
        super().stage_chunk(upload, offset, chunk)

    @ray.method(concurrency_group=READING)
    def read_blob(self, digest: str, offset: int, size: int) -> bytes:
        """See Store."""
        return super().read_blob(digest, offset, size)

    @ray.method(concurrency_group=RECEIVING)
    def stage_checkpoint(self, name: str, offset: int, chunk: bytes) -> None:
        """See CheckpointFolder.stage."""
        self._checkpoints.stage(name, offset, chunk)

    def commit_checkpoint(self, trial: str, epochs: int, staged: str, name: str) -> None:
        """See CheckpointFolder.commit."""
        self._checkpoints.commit(trial, epochs, staged, name)

    def list_checkpoints(self, trial: str) -> list[tuple[str, str]]:
        """List the trial's files, the latest first: name, and digest of the content."""
        return [(kept.path.name, kept.digest) for kept in self._checkpoints.files(trial)]

    @ray.method(concurrency_group=READING)
    def read_checkpoint(self, name: str, offset: int, size: int) -> bytes:
        """Read up to `size` bytes of the file from `offset`; b"" if it cannot be read."""
        try:
            with (self._checkpoints.folder / name).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError:
            return b""

    def forget_checkpoints(self, trial: str) -> None:
        """See CheckpointStore."""
        self._checkpoints.forget(trial)

    def append_log(self, run: str, data: bytes, most: int) -> None:
        """Append to the log of a run on a machine that cannot write into its folder."""
        with suppress(OSError):  # a full disk: the sweep's other writes say so
            LogFile(safe_join(self._logs, f"{run}.log"), most).append(data)

    def _has_files(self, version: ArtifactVersion) -> bool:
        """Return whether the files have their recorded sizes: one that was not synced is shorter
        or gone. A file that is at the storage's URI is downloaded when it is read."""
        return all(
            self._blobs.has(file.digest, file.size_bytes)
            or is_at_uri(self._blobs.path(file.digest))
            for file in version.files
        )
