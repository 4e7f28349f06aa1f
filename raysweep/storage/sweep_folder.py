"""One sweep's folder: its files by name, and what its record and its result say (see `storage`)."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raysweep.errors import UserError
from raysweep.paths import safe_join
from raysweep.storage.atomic import half_written, write_atomically
from raysweep.storage.record import NOTE, SweepRecord
from raysweep.tracking.folder import half_downloaded

LOGS = "logs"
"""The folder of what the sweep's runs print, in the sweep's folder."""

EVALUATE = "evaluate"
"""The log of the winner's evaluation."""

REOPENED = "null\n"
"""The `result.json` of a sweep that had ended and is resumed. A file that was only removed here
would remain at a URI."""


TRIALS = "trials"
"""The folder in which each program of a trial has its own, in the sweep's folder."""


@dataclass(frozen=True)
class SweepFolder:
    """One sweep's folder. Its files must lie in it, not behind a link that leads out of it: the
    folder may be another user's. Each of the paths raises UnsafeName for such a link."""

    path: Path

    @property
    def journal(self) -> Path:
        return self._inside("journal.jsonl")

    @property
    def checkpoints(self) -> Path:
        return self._inside("checkpoints")

    @property
    def config(self) -> Path:
        return self._inside("config.yaml")

    @property
    def given(self) -> Path:
        """The config as the user wrote it, for people; nothing reads it."""
        return self._inside("config.given.yaml")

    @property
    def wandb_page(self) -> Path:
        """The sweep's page in W&B."""
        return self._inside("wandb.json")

    @property
    def inputs(self) -> Path:
        return self._inside("inputs")

    @property
    def trials(self) -> Path:
        """What the programs of trials left, each in a folder of the trial's name."""
        return self._inside(TRIALS)

    @property
    def tune(self) -> Path:
        return self._inside("tune")

    @property
    def waiting(self) -> Path:
        """The file in which the store's writer notes what it waits for, one line each."""
        return self._inside(NOTE)

    @property
    def best(self) -> Path:
        return self._inside("best")

    @property
    def logs(self) -> Path:
        return self._inside("logs")

    def log(self, run: str) -> Path:
        """Return where the run's output is kept: of a trial (`trial-0003`), a stage (`load`,
        `preprocess`, `initialize`), or the evaluation (`evaluate`). The file may not be there."""
        return safe_join(self.path, f"{LOGS}/{run}.log")

    @property
    def removing(self) -> Path:
        """The mark of a sweep whose removal has begun: only `remove` continues it."""
        return self._inside("removing")

    @property
    def _record(self) -> Path:
        return self._inside("sweep.json")

    @property
    def _result(self) -> Path:
        return self._inside("result.json")

    def _inside(self, name: str) -> Path:
        return safe_join(self.path, name)

    def record(self) -> SweepRecord:
        """Read the record. Raises UserError if the file is invalid."""
        try:
            return SweepRecord.of(_read_json(self._record))
        except ValueError as error:
            raise UserError(f"{self._record}: not a record of a sweep ({error})") from error

    def write_record(self, record: SweepRecord) -> None:
        write_atomically(self._record, json.dumps(asdict(record), indent=2) + "\n")

    def result(self) -> dict[str, Any] | None:
        """Read `result.json`; None for a sweep that has not ended, or was resumed."""
        if not self._result.exists() or self._result.read_bytes() == REOPENED.encode():
            return None
        return _read_json(self._result)

    def write_result(self, result: dict[str, Any]) -> None:
        text = json.dumps(result, indent=2, allow_nan=False)
        write_atomically(self._result, text + "\n")

    def reopen(self) -> None:
        """Void the result of a sweep that is resumed."""
        if self._result.exists():
            write_atomically(self._result, REOPENED)

    def remove_scratch(self) -> None:
        """Remove a driver's scratch and temporary files, and, if the sweep has ended, its
        checkpoints. The caller must have claimed the sweep."""
        scratch = [self.inputs, self.tune]
        with suppress(UserError):
            scratch += [self.checkpoints] if self.result() is not None else []
        for path in [*scratch, *half_downloaded(self.best)]:
            shutil.rmtree(path, ignore_errors=True)
        for path in [*half_written(self._result), self.waiting]:
            with suppress(OSError):  # harmless: the next driver retries
                path.unlink(missing_ok=True)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable record of a sweep ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a readable record of a sweep (not a mapping)")
    return value
