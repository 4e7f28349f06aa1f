"""Where trials' checkpoints are kept: a folder beside the driver, which any process can reach.

Not in Tune's storage, which would have to be a file system that all machines share, and not in the
tracker: they are nobody's result, and go when the sweep ends.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from raysweep.errors import CheckpointLost

_FILE = re.compile(r".+-e(?P<epochs>\d{4,})-(?P<digest>[0-9a-f]{16})\.pt")


@dataclass(frozen=True)
class Kept:
    """A checkpoint's file: whose it is, after how many epochs, and what it must hash to."""

    path: Path
    trial: str
    epochs: int
    digest: str

    def read(self) -> bytes:
        """Raises CheckpointLost where the bytes are not those that were written."""
        data = self.path.read_bytes()
        if _digest(data) != self.digest:
            raise CheckpointLost(
                f"{self.path}: the checkpoint of {self.trial} is damaged (it hashes to "
                f"{_digest(data)}); put back a copy of the file, or start a new sweep"
            )
        return data


class CheckpointStore(Protocol):
    """Keeps the latest checkpoint of each trial."""

    def keep(self, trial: str, epochs: int, data: bytes) -> None:
        """Keep `data` as that after so many epochs, in the place of an earlier one. May be
        repeated."""
        ...

    def latest(self, trial: str) -> bytes | None:
        """The trial's latest; None where it has none. Raises CheckpointLost for a damaged one."""
        ...

    def forget(self, trial: str) -> None:
        """Remove the trial's: nobody goes on from it any more."""
        ...


class CheckpointFolder:
    """A folder of checkpoints. A file appears whole and is never changed, so that a copy taken at
    any moment is a copy of what was there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, trial: str, epochs: int, data: bytes) -> None:
        """See CheckpointStore."""
        self.folder.mkdir(exist_ok=True)
        kept = self.folder / f"{trial}-e{epochs:04d}-{_digest(data)}.pt"
        partial = self.folder / f".{kept.name}.{uuid.uuid4().hex[:12]}"
        try:
            partial.write_bytes(data)
            partial.replace(kept)
        finally:
            partial.unlink(missing_ok=True)
        for other in self._of(trial):  # a newer one is of whoever has taken over from us
            if other.path != kept and other.epochs <= epochs:
                other.path.unlink(missing_ok=True)

    def latest(self, trial: str) -> bytes | None:
        """See CheckpointStore."""
        found = self.find(trial)
        return found.read() if found else None

    def find(self, trial: str) -> Kept | None:
        """The trial's latest file. A process that died between writing one and removing the other
        leaves two."""
        return max(self._of(trial), key=lambda kept: kept.epochs, default=None)

    def forget(self, trial: str) -> None:
        """See CheckpointStore."""
        for kept in self._of(trial):
            kept.path.unlink(missing_ok=True)

    def _of(self, trial: str) -> list[Kept]:
        found = [(path, _FILE.fullmatch(path.name)) for path in self.folder.glob(f"{trial}-e*.pt")]
        return [
            Kept(path, trial, int(match["epochs"]), match["digest"])
            for path, match in found
            if match
        ]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
