"""Store trials' checkpoints: a folder on the driver's machine, which any process can reach.

They are not in Tune's storage, which would require a shared file system, and not in the tracker,
since they are not results and are deleted when the sweep ends.

A power cut may lose what was not fsynced. So the last two checkpoints of each trial are kept, and
an older one is removed only when its successor is fsynced. A thread does that: training does not
wait.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from raysweep.tracking.write_behind import WriteBehind

_FILE = re.compile(r".+-e(?P<epochs>\d{4,})-(?P<digest>[0-9a-f]{16})\.pt")

DIGITS = 16
"""Hexadecimal digits of a checkpoint's SHA-256 in its file's name."""

Bytes = bytes | memoryview


@dataclass(frozen=True)
class Kept:
    """A checkpoint's file, its number of epochs, and its expected digest."""

    path: Path
    epochs: int
    digest: str

    def read(self) -> bytes | None:
        """Read the bytes; None if they are not what was written."""
        try:
            data = self.path.read_bytes()
        except OSError:  # removed meanwhile, or on a bad block
            return None
        return data if digest_of(data) == self.digest else None


class CheckpointStore(Protocol):
    """Keeps the last two checkpoints of each trial."""

    def keep(self, trial: str, epochs: int, data: Bytes) -> None:
        """Store `data` as the checkpoint after that many epochs. Idempotent."""
        ...

    def usable(self, trial: str) -> Iterator[bytes]:
        """Yield the trial's intact checkpoints, the latest first."""
        ...

    def forget(self, trial: str) -> None:
        """Remove the trial's checkpoints, which are no longer needed."""
        ...


class CheckpointFolder:
    """A folder of checkpoints. Files appear atomically and never change, so that the folder can be
    copied at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._disk = WriteBehind()

    def __reduce__(self) -> tuple[Any, ...]:
        return CheckpointFolder, (self.folder,)

    def keep(self, trial: str, epochs: int, data: Bytes) -> None:
        """See CheckpointStore. Raises the disk's OSError for this or an earlier checkpoint."""
        self.folder.mkdir(exist_ok=True)
        kept = self.folder / file_name(trial, epochs, digest_of(data))
        half = self.folder / f".{kept.name}.{uuid.uuid4().hex[:12]}"
        try:
            half.write_bytes(data)
            self._publish(half, kept, trial, epochs)
        finally:
            half.unlink(missing_ok=True)

    def stage(self, name: str, offset: int, chunk: bytes) -> None:
        """Write bytes at `offset` of a future checkpoint, which has the file name `name` until it
        is published. Idempotent."""
        self.folder.mkdir(exist_ok=True)
        half = os.open(self._half(name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with os.fdopen(half, "wb") as file:
            file.seek(offset)
            file.write(chunk)

    def commit(self, trial: str, epochs: int, staged: str, name: str) -> None:
        """Publish the checkpoint whose chunks were staged as `staged` under its name. Its digest is
        verified on reading: that takes seconds for a large one, and all processes share the
        writer."""
        if not (self.folder / name).exists() or self._half(staged).exists():
            self._publish(self._half(staged), self.folder / name, trial, epochs)

    def usable(self, trial: str) -> Iterator[bytes]:
        """See CheckpointStore."""
        for kept in self.files(trial):
            data = kept.read()
            if data is not None:
                yield data

    def files(self, trial: str) -> list[Kept]:
        """List the trial's checkpoints, including damaged ones, the latest first."""
        found = [(path, _FILE.fullmatch(path.name)) for path in self.folder.glob(f"{trial}-e*.pt")]
        kept = [Kept(path, int(match["epochs"]), match["digest"]) for path, match in found if match]
        return sorted(kept, key=lambda each: each.epochs, reverse=True)

    def forget(self, trial: str) -> None:
        """See CheckpointStore."""
        for path in [*self.folder.glob(f"{trial}-e*.pt"), *self.folder.glob(f".{trial}-e*.pt.*")]:
            path.unlink(missing_ok=True)

    def forget_all_but(self, trials: set[str]) -> None:
        """Remove the checkpoints of other trials."""
        for path in self.folder.glob("*-e*.pt"):
            if path.name.rpartition("-e")[0] not in trials:
                path.unlink(missing_ok=True)

    def _half(self, name: str) -> Path:
        return self.folder / f".{name}.staged"

    def _publish(self, half: Path, kept: Path, trial: str, epochs: int) -> None:
        half.replace(kept)
        self._disk.add(kept, then=partial(self._forget_older, trial, epochs, kept))

    def _forget_older(self, trial: str, epochs: int, synced: Path) -> None:
        """Keep one checkpoint before the one that is now fsynced, and any newer one: that is from a
        process that has taken over."""
        older = [each for each in self.files(trial) if each.epochs < epochs]
        same = [each for each in self.files(trial) if each.epochs == epochs and each.path != synced]
        for kept in [*older[1:], *same]:
            kept.path.unlink(missing_ok=True)


def file_name(trial: str, epochs: int, digest: str) -> str:
    """Make the file name of a checkpoint."""
    return f"{trial}-e{epochs:04d}-{digest}.pt"


def digest_of(data: Bytes) -> str:
    """Compute the first DIGITS hexadecimal digits of the bytes' SHA-256."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]
