"""Files of programs' runs and versions on their way from the embedded store to W&B."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from raysweep.paths import safe_join
from raysweep.tracking.folder import take_file
from raysweep.tracking.port import ArtifactFile, ArtifactVersion, Json
from raysweep.tracking.programs import users_files
from raysweep.tracking.store import Store

_PAUSE_S = 0.2


class RunFiles:
    """The files of one run."""

    def __init__(self, store: Store, run_id: str, wait_s: float = 0.0) -> None:
        """`wait_s`: how long to wait for a file that the program's client is still sending."""
        self._store = store
        self._id = run_id
        self._wait_s = wait_s

    def table(self, path: str) -> Json:
        """Read a table that the client has written; None if it is not there."""
        until = time.monotonic() + self._wait_s
        while not (found := [f for f in self._store.files(self._id) if f.path == path]):
            if time.monotonic() >= until:
                return None
            time.sleep(_PAUSE_S)
        with tempfile.TemporaryDirectory(prefix="raysweep-") as scratch:
            return json.loads(self._taken(found[0], Path(scratch)).read_bytes())

    def text(self, path: str) -> str:
        """Read a text file; empty where it is not there."""
        with tempfile.TemporaryDirectory(prefix="raysweep-") as scratch:
            for file in self._store.files(self._id):
                if file.path == path:
                    return self._taken(file, Path(scratch)).read_text(errors="replace")
        return ""

    def sent_by(
        self, send: Callable[[Path, Sequence[str]], None], files: Sequence[ArtifactFile]
    ) -> None:
        """Write the files into a folder, and have `send` (the folder, their paths) send them."""
        with tempfile.TemporaryDirectory(prefix="raysweep-") as scratch:
            for file in files:
                self._taken(file, Path(scratch))
            send(Path(scratch), [file.path for file in files])

    def _taken(self, file: ArtifactFile, folder: Path) -> Path:
        target = safe_join(folder, file.path, self._id)
        take_file(self._store, f"run {self._id}", file, target)
        return target


def taken(store: Store, version: ArtifactVersion, folder: Path) -> dict[str, Path]:
    """Write the files that the version's program added into `folder`; return where, by path."""
    found = {}
    for file in users_files(version):
        found[file.path] = safe_join(folder, file.path, version.ref)
        take_file(store, version.ref, file, found[file.path])
    return found
