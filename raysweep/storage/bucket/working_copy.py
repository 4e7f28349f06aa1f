"""The working copy: the local folder of a storage at a URI, reused or set aside.

Each push leaves a random mark at the URI and here. If they agree, no other process has written
since, and the local state is the same or newer: a killed driver's last minutes are kept. If they
differ, another machine has written, and the URI wins; what only this copy has is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from raysweep.errors import UserError
from raysweep.paths import is_own
from raysweep.storage.atomic import write_atomically
from raysweep.storage.bucket.pulling import JOURNAL, Remote
from raysweep.storage.sweep_folder import REOPENED

_NOTE = ".replica.json"


class WorkingCopy:
    """The working copy of one URI, locked by this process until `unlock`. Raises UserError if
    another process uses it."""

    def __init__(self, uri: str) -> None:
        self.root = _place(uri)
        self._lock = FileLock(f"{self.root}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"--storage {uri}: another process of this machine is writing to it; "
                "wait until it ends, or name another URI"
            ) from None
        self._id = Path(f"{self.root}.id")
        if not self._id.exists():
            write_atomically(self._id, secrets.token_hex(8))
        self.id = self._id.read_text(encoding="utf-8")
        """The mark of this folder on this disk. The next driver here finds it in the lease of a
        killed one, and so knows that the holder is dead."""

    def unlock(self) -> None:
        """Release the lock, and remove a partially pulled copy. The lock's file is removed first,
        as in `claim.release`."""
        if self._note() is None:
            self.remove()
        self._id.unlink(missing_ok=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def remove(self) -> None:
        """Remove the copy: all of it is at the URI."""
        shutil.rmtree(self.root, ignore_errors=True)

    def is_current(self, mark: str | None) -> bool:
        """Whether it can be used as it is: no other process has written to the URI since. `mark`:
        that of the last push there; None if there was none."""
        note = self._note()
        return note is not None and mark in (note["last"], note["next"])

    def set_aside(self, uri: str, remote: Remote, tell: Callable[[str], None]) -> None:
        """Set the copy aside for the state at the URI. Keep what only this copy has, and report
        it."""
        if self._note() is None or _all_is_at(remote, self.root):
            self.remove()  # partially pulled, or all of it is at the URI
            return
        kept = self.root.with_name(f"{self.root.name}-kept-{time.strftime('%Y%m%d-%H%M%S')}")
        self.root.rename(kept)
        tell(
            f"{uri}: another machine has written to it since; what only this one had is in "
            f"{kept} (see it with --storage, then remove it)"
        )

    def is_pulled(self, mark: str | None) -> None:
        """Record that it is in the state of the push with that mark, and can be used."""
        self._write_note(mark, None)

    def new_mark(self) -> str:
        """Make a mark for a new push. It is recorded here before it is at the URI, since the
        process may be killed between the two."""
        note, mark = self._note(), secrets.token_hex(8)
        self._write_note(note["last"] if note else None, mark)
        return mark

    def has_mark(self, mark: str) -> None:
        """Record that the push is complete at the URI."""
        self._write_note(mark, None)

    def _note(self) -> dict[str, str | None] | None:
        try:
            note = json.loads((self.root / _NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return {"last": note.get("last"), "next": note.get("next")}

    def _write_note(self, last: str | None, coming: str | None) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.root / _NOTE, json.dumps({"last": last, "next": coming}))


def _place(uri: str) -> Path:
    """Choose the folder of a URI: in the user's cache, which survives a reboot, else in the
    temporary folder."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", uri.partition("?")[0])[:40].strip("-")
    name = f"{words}-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "raysweep"
    for folder in (cache, Path(tempfile.gettempdir()) / f"raysweep-{os.getuid()}"):
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_own(folder) and os.access(folder, os.W_OK):
                return folder.resolve() / name
    raise UserError(
        f"--storage {uri}: neither {cache} nor {tempfile.gettempdir()} can be written, and a sweep "
        "works in a folder of this machine; set XDG_CACHE_HOME or TMPDIR"
    )


def _all_is_at(remote: Remote, root: Path) -> bool:
    """Whether each local sweep is at the URI in the same or a later state: its journal there starts
    with the local one."""
    there = remote.sweeps()
    for record in root.glob("[!.]*/sweep.json"):
        sweep = record.parent
        result, journal = sweep / "result.json", sweep / JOURNAL
        reopened = result.exists() and result.read_text() == REOPENED
        if remote.has_ended(sweep.name) and not reopened:
            continue  # another driver has finished it
        if (result.exists() and not reopened) or sweep.name not in there:
            return False
        if journal.exists():
            known = remote.read_changing(f"{sweep.name}/{JOURNAL}")
            if not known.startswith(journal.read_bytes()):
                return False
    return True
