"""A sweep's record, and the names of a storage's sweeps.

A storage is untrusted input (it may be another user's): its contents are checked before use.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from raysweep.errors import UserError

TRACKER_FOLDER = "tracker"
NOTE = ".waiting"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class SweepRecord:
    """A sweep's identity, stored in its folder."""

    name: str
    id: str
    project: str
    entity: str | None
    tracker: str
    created: str
    kind: str = "training"
    """The kind of its trials (see `trials.workloads`). An earlier raysweep knew one and did not
    record it."""

    @staticmethod
    def new(
        name: str, project: str, entity: str | None, tracker: str, kind: str = "training"
    ) -> SweepRecord:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return SweepRecord(name, secrets.token_hex(4), project, entity, tracker, now, kind)

    @staticmethod
    def of(document: Mapping[str, Any]) -> SweepRecord:
        """Parse `sweep.json`; ignore keys of a newer raysweep. Raises ValueError for an invalid
        record, and for an invalid name or id, since they become paths."""
        known = [each.name for each in fields(SweepRecord)]
        if lacking := [name for name in known if name not in document and name != "kind"]:
            raise ValueError(f"it has no {lacking[0]}")
        record = SweepRecord(**{name: document[name] for name in known if name in document})
        for name, value in asdict(record).items():
            if not isinstance(value, str) and not (name == "entity" and value is None):
                raise ValueError(f"its {name} is no text")
        if not is_name(record.name) or not _ID.fullmatch(record.id):
            raise ValueError(f"no sweep has the name {record.name!a:.80} and id {record.id!a:.80}")
        return record


def is_name(name: str) -> bool:
    """Whether it is a valid name of a sweep: it becomes a folder and an alias."""
    return _NAME.fullmatch(name) is not None and name != TRACKER_FOLDER


def sweep_names(root: Path) -> list[str]:
    """List the folders of a storage that are sweeps, or may be, if they are unreadable.

    Raises UserError if the storage itself cannot be read.
    """
    try:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(root) as entries:
            return [each.name for each in entries if _may_be_sweep(each)]
    except OSError as error:
        raise UserError(
            f"--storage {root}: cannot be read ({error.strerror}); choose another folder"
        ) from error
    return []


def _may_be_sweep(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):  # being removed
        return False
    try:
        os.lstat(f"{entry.path}/sweep.json")
    except PermissionError:
        return is_name(entry.name)
    except OSError:
        return False
    return True
