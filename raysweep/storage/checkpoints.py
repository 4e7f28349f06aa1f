"""Where trials' checkpoints are kept: a folder beside the driver, which any process can reach.

Not in Tune's storage, which would have to be a file system that all machines share, and not in the
tracker: they are nobody's result, and go when the sweep ends.

A power cut may take what was not synced. So of each trial the last two are kept, and an older one
is removed only when its successor is on the disk. A thread syncs: training waits for none of it.
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

Bytes = bytes | memoryview


@dataclass(frozen=True)
class Kept:
    """A checkpoint's file: after how many epochs, and what it must hash to."""

    path: Path
    epochs: int
    digest: str

    def read(self) -> bytes | None:
        """The bytes; None where they are not those that were written."""
        try:
            data = self.path.read_bytes()
        except OSError:  # removed meanwhile, or on a bad block
            return None
        return data if digest_of(data) == self.digest else None


class CheckpointStore(Protocol):
    """Keeps the last two checkpoints of each trial."""

    def keep(self, trial: str, epochs: int, data: Bytes) -> None:
        """Keep `data` as that after so many epochs. May be repeated."""
        ...

    def usable(self, trial: str) -> Iterator[bytes]:
        """Those of the trial that are what was written, the latest first."""
        ...

    def forget(self, trial: str) -> None:
        """Remove the trial's: nobody continues from them any more."""
        ...


class CheckpointFolder:
    """A folder of checkpoints. A file appears whole and is never changed, so that a copy taken at
    any moment is a copy of what was there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._disk = WriteBehind()

    def __reduce__(self) -> tuple[Any, ...]:
        return CheckpointFolder, (self.folder,)

    def keep(self, trial: str, epochs: int, data: Bytes) -> None:
        """See CheckpointStore. Raises the OSError with which the disk refused this one, or one
        before it."""
        self.folder.mkdir(exist_ok=True)
        kept = self.folder / file_name(trial, epochs, digest_of(data))
        half = self.folder / f".{kept.name}.{uuid.uuid4().hex[:12]}"
        try:
            half.write_bytes(data)
            self._publish(half, kept, trial, epochs)
        finally:
            half.unlink(missing_ok=True)

    def stage(self, name: str, offset: int, chunk: bytes) -> None:
        """Write bytes at `offset` of the checkpoint that is to have the file name `name`. The same
        chunk again writes the same bytes."""
        self.folder.mkdir(exist_ok=True)
        half = os.open(self._half(name), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with os.fdopen(half, "wb") as file:
            file.seek(offset)
            file.write(chunk)

    def commit(self, trial: str, epochs: int, name: str) -> None:
        """Keep the checkpoint whose chunks were staged. Its bytes are compared with their digest
        when they are read: that takes seconds of a large one, and the writer is everybody's."""
        if not (self.folder / name).exists() or self._half(name).exists():
            self._publish(self._half(name), self.folder / name, trial, epochs)

    def usable(self, trial: str) -> Iterator[bytes]:
        """See CheckpointStore."""
        for kept in self.files(trial):
            data = kept.read()
            if data is not None:
                yield data

    def files(self, trial: str) -> list[Kept]:
        """The trial's, damaged ones among them, the latest first."""
        found = [(path, _FILE.fullmatch(path.name)) for path in self.folder.glob(f"{trial}-e*.pt")]
        kept = [Kept(path, int(match["epochs"]), match["digest"]) for path, match in found if match]
        return sorted(kept, key=lambda each: each.epochs, reverse=True)

    def forget(self, trial: str) -> None:
        """See CheckpointStore."""
        for path in [*self.folder.glob(f"{trial}-e*.pt"), *self.folder.glob(f".{trial}-e*.pt.*")]:
            path.unlink(missing_ok=True)

    def forget_all_but(self, trials: set[str]) -> None:
        """Remove those of other trials."""
        for path in self.folder.glob("*-e*.pt"):
            if path.name.rpartition("-e")[0] not in trials:
                path.unlink(missing_ok=True)

    def _half(self, name: str) -> Path:
        return self.folder / f".{name}.staged"

    def _publish(self, half: Path, kept: Path, trial: str, epochs: int) -> None:
        half.replace(kept)
        self._disk.add(kept, then=partial(self._forget_older, trial, epochs, kept))

    def _forget_older(self, trial: str, epochs: int, synced: Path) -> None:
        """Keep one before the one that is on the disk now; a newer one is of whoever has taken over
        from us."""
        older = [each for each in self.files(trial) if each.epochs < epochs]
        same = [each for each in self.files(trial) if each.epochs == epochs and each.path != synced]
        for kept in [*older[1:], *same]:
            kept.path.unlink(missing_ok=True)


def file_name(trial: str, epochs: int, digest: str) -> str:
    """What a checkpoint's file is called."""
    return f"{trial}-e{epochs:04d}-{digest}.pt"


def digest_of(data: Bytes) -> str:
    """The first 16 hexadecimal digits of the bytes' SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]
