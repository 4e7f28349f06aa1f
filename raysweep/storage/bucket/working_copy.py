"""The folder of this machine in which a sweep at a URI works: found again, or set aside.

Each push leaves a random mark at the URI and here. If they agree, nobody else has written since,
and what is here is as new or newer: a killed driver's last minutes are kept. If they differ,
another machine has gone on, and its word counts; what only this copy holds is then kept beside.
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
    """The copy of one URI, this process's alone until `unlock`. Raises UserError where it is in
    use."""

    def __init__(self, uri: str) -> None:
        self.root = _place(uri)
        self._lock = FileLock(f"{self.root}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(
                f"--storage {uri}: another process of this machine is writing it; "
                "one at a time: wait for its end, or name another URI"
            ) from None
        self._id = Path(f"{self.root}.id")
        if not self._id.exists():
            write_atomically(self._id, secrets.token_hex(8))
        self.id = self._id.read_text(encoding="utf-8")
        """Of this very folder, on this very disk: as long as a driver that was killed is not looked
        after, the next one here reads it and knows whose lock it has."""

    def unlock(self) -> None:
        """Let others of this machine have it. What is half pulled goes; the lock's file goes first,
        as in `claim.release`."""
        if self._note() is None:
            self.remove()
        self._id.unlink(missing_ok=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def remove(self) -> None:
        """All of it is at the URI."""
        shutil.rmtree(self.root, ignore_errors=True)

    def is_current(self, mark: str | None) -> bool:
        """Whether it can go on from where it is: nobody else has written to the URI since. `mark`:
        of the last push there, None where there was none."""
        note = self._note()
        return note is not None and mark in (note["last"], note["next"])

    def set_aside(self, uri: str, remote: Remote, tell: Callable[[str], None]) -> None:
        """Make room for what is at the URI. What only this copy holds is kept, and told."""
        if self._note() is None or _all_is_at(remote, self.root):
            self.remove()  # half pulled, or overtaken
            return
        kept = self.root.with_name(f"{self.root.name}-kept-{time.strftime('%Y%m%d-%H%M%S')}")
        self.root.rename(kept)
        tell(
            f"{uri}: another machine has written to it since; what only this one had is in "
            f"{kept} (see it with --storage, then remove it)"
        )

    def is_pulled(self, mark: str | None) -> None:
        """Note that it is as the push of that mark left it: from now on it can be gone on from."""
        self._write_note(mark, None)

    def new_mark(self) -> str:
        """A mark for the push that begins. Noted before it is at the URI: either may be the last
        thing that a killed process did."""
        note, mark = self._note(), secrets.token_hex(8)
        self._write_note(note["last"] if note else None, mark)
        return mark

    def has_mark(self, mark: str) -> None:
        """The push is at the URI whole."""
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
    """By URI, in the user's cache (it outlives a restart), else in the temporary folder."""
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
    """Whether each sweep here is at the URI as far, or further: its journal there goes on from
    this one's."""
    there = remote.sweeps()
    for record in root.glob("*/sweep.json"):
        sweep = record.parent
        result, journal = sweep / "result.json", sweep / JOURNAL
        reopened = result.exists() and result.read_text() == REOPENED
        if remote.has_ended(sweep.name) and not reopened:
            continue  # whoever went on with it came to its end
        if (result.exists() and not reopened) or sweep.name not in there:
            return False
        if journal.exists():
            known = remote.read_changing(f"{sweep.name}/{JOURNAL}")
            if not known.startswith(journal.read_bytes()):
                return False
    return True
