"""Files of programs' runs and versions on their way from the embedded store to W&B."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from raysweep.paths import safe_join
from raysweep.tracking.folder import take_file
from raysweep.tracking.port import ArtifactFile, ArtifactVersion, Json
from raysweep.tracking.programs import TABLES, TableFiles, table_named, users_files
from raysweep.tracking.store import Store

T = TypeVar("T")

_PAUSE_S = 0.2


class Patience:
    """How long to wait for a file that a program's client sends apart from the row that names it:
    `seconds`, and not at all after the run's end, or after a file that did not come, until one
    does."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lost = False
        self.over = threading.Event()

    def wait(self, find: Callable[[], T | None]) -> T | None:
        """Return what `find` finds; None if it does not in time."""
        until = time.monotonic() + (0.0 if self._lost else self._seconds)
        while True:
            last = self.over.is_set() or time.monotonic() >= until
            found = find()
            self._lost = found is None
            if found is not None or last:
                return found
            self.over.wait(_PAUSE_S)


class RunFiles:
    """The files of one run."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        patience: Patience | None = None,
        scratch: Path | None = None,
    ) -> None:
        """`patience`: by default none; `scratch`: the folder for copies of them; by default the
        machine's temporary one."""
        self._store = store
        self._id = run_id
        self._patience = patience or Patience(0.0)
        self._scratch = scratch

    @contextmanager
    def table(self, value: Mapping[str, Json]) -> Iterator[TableFiles | None]:
        """Yield the files of a table, as a row describes it; None where the client has not sent
        it."""
        found = self._patience.wait(lambda: self._find(value["path"]))
        if found is None:
            yield None
            return
        with emptied(self._scratch) as scratch:
            content = json.loads(self._taken(found, scratch).read_bytes())
            version, name = self._version_of(value)
            if version is not None:
                taken(self._store, version, scratch / "version")
                yield TableFiles(content, scratch / "version", name)
            else:
                yield TableFiles(content)

    def _version_of(self, value: Mapping[str, Json]) -> tuple[ArtifactVersion | None, str]:
        named = table_named(value)
        if named is None:
            return None, ""
        ref = self._patience.wait(lambda: self._tables().get(named[0]))
        return None if ref is None else self._store.artifact(ref), named[1]

    def _tables(self) -> Mapping[str, str]:
        (record,) = self._store.runs(run_id=self._id)
        return record.summary.get(TABLES) or {}

    def text(self, path: str) -> str:
        """Read a text file; empty where it is not there."""
        found = self._find(path)
        if found is None:
            return ""
        with emptied(self._scratch) as scratch:
            return self._taken(found, scratch).read_text(errors="replace")

    def _find(self, path: str) -> ArtifactFile | None:
        return next((file for file in self._store.files(self._id) if file.path == path), None)

    def sent_by(
        self, send: Callable[[Path, Sequence[str]], None], files: Sequence[ArtifactFile]
    ) -> None:
        """Write the files into a folder, and have `send` (the folder, their paths) send them."""
        with emptied(self._scratch) as scratch:
            for file in files:
                self._taken(file, scratch)
            send(scratch, [file.path for file in files])

    def _taken(self, file: ArtifactFile, folder: Path) -> Path:
        target = safe_join(folder, file.path, self._id)
        take_file(self._store, f"run {self._id}", file, target)
        return target


@contextmanager
def emptied(folder: Path | None) -> Iterator[Path]:
    """Yield an empty folder in `folder`, or in the machine's temporary one, and remove it."""
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="raysweep-", dir=folder) as scratch:
        yield Path(scratch)


def taken(store: Store, version: ArtifactVersion, folder: Path) -> dict[str, Path]:
    """Write the files that the version's program added into `folder`; return where, by path."""
    found = {}
    for file in users_files(version):
        found[file.path] = safe_join(folder, file.path, version.ref)
        take_file(store, version.ref, file, found[file.path])
    return found
