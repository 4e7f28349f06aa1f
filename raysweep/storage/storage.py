"""The folders of a storage: one a sweep, and beside them the tracker's store, which all share.

<storage>/
  tracker/            the embedded tracker's store
  <sweep>/
    sweep.json        what it is: written when the sweep starts
    config.yaml       its whole configuration
    journal.jsonl     what its driver decided and heard: `resume` goes on from it
    checkpoints/      the trials', until it has ended
    result.json       what came of it: written last
    best/             the winner's files
    wandb/            what W&B's client keeps, where it records the sweep
    inputs/, tune/    while it runs
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from raysweep.addresses import refuse_keys
from raysweep.config.yaml import dump_yaml
from raysweep.errors import UserError
from raysweep.paths import safe_join
from raysweep.storage.nearest import no_such_sweep
from raysweep.storage.record import NOTE, is_name, sweep_names, to_stderr
from raysweep.storage.record import TRACKER_FOLDER as TRACKER_FOLDER
from raysweep.storage.record import SweepRecord as SweepRecord
from raysweep.tracking.folder import half_downloaded
from raysweep.tracking.write_behind import sync_folder

_MOST_OF_NAME = 64 - len("-20261123-0915-3fa2")
_URI = re.compile(r"[a-z][a-z0-9+.-]+:/")
REOPENED = "null\n"
"""The `result.json` of a sweep that had ended and goes on. A file that was removed here would still
be at a URI."""


class Origin(Protocol):
    """What is at a storage's URI and not here yet. Methods raise UserError where it cannot be
    reached; what is here already stays."""

    def sweep(self, name: str) -> None:
        """Bring a sweep's files."""

    def project(self, project: str) -> None:
        """Bring a project's database."""

    def media(self, project: str, runs: Iterable[str]) -> None:
        """Bring the pictures that these runs logged."""

    def blobs(self, project: str, digests: Iterable[str]) -> None:
        """Bring blobs of a project, by their digests."""


@dataclass(frozen=True)
class SweepFolder:
    """One sweep's folder. What belongs to it is looked for in it, and behind no link that leads out
    of it: the folder may be another user's. Each of the paths raises UnsafeName for such a link."""

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
    def inputs(self) -> Path:
        return self._inside("inputs")

    @property
    def tune(self) -> Path:
        return self._inside("tune")

    @property
    def waiting(self) -> Path:
        """What the store's writer waits for, a line each."""
        return self._inside(NOTE)

    @property
    def best(self) -> Path:
        return self._inside("best")

    @property
    def _record(self) -> Path:
        return self._inside("sweep.json")

    @property
    def _result(self) -> Path:
        return self._inside("result.json")

    def _inside(self, name: str) -> Path:
        return safe_join(self.path, name)

    def record(self) -> SweepRecord:
        """Raises UserError where the file does not hold one."""
        try:
            return SweepRecord.of(_read_json(self._record))
        except ValueError as error:
            raise UserError(f"{self._record}: not a record of a sweep ({error})") from error

    def write_record(self, record: SweepRecord) -> None:
        write_atomically(self._record, json.dumps(asdict(record), indent=2) + "\n")

    def result(self) -> dict[str, Any] | None:
        """The design's `result.json`, or None for a sweep that has not ended, or goes on."""
        if not self._result.exists() or self._result.read_bytes() == REOPENED.encode():
            return None
        return _read_json(self._result)

    def write_result(self, result: dict[str, Any]) -> None:
        text = json.dumps(result, indent=2, allow_nan=False)
        write_atomically(self._result, text + "\n")

    def reopen(self) -> None:
        """The sweep goes on: its result is void."""
        if self._result.exists():
            write_atomically(self._result, REOPENED)

    def remove_scratch(self) -> None:
        """What only a driver needs, and what one that was killed left half written: of a sweep that
        has ended, its checkpoints too. Only for who has claimed it."""
        scratch = [self.inputs, self.tune]
        with suppress(UserError):
            scratch += [self.checkpoints] if self.result() is not None else []
        for path in [*scratch, *half_downloaded(self.best)]:
            shutil.rmtree(path, ignore_errors=True)
        for path in [*_half_written(self._result), self.waiting]:
            with suppress(OSError):  # harms nobody, and the next driver tries again
                path.unlink(missing_ok=True)


class Storage:
    """A storage folder: makes, lists and finds sweeps.

    `shown` is what the user knows it by: the folder, or the URI whose working copy it is. `origin`
    brings what is still at the URI; None for a folder.
    """

    def __init__(self, root: Path, shown: str | None = None) -> None:
        refuse_keys("--storage", root)
        if _URI.match(str(root)):  # a Path has made one slash of two
            raise UserError(
                f"--storage {root}: a URI, where a folder is needed, on the machine that drives "
                "the sweep; a cluster's others need not share it"
            )
        self.root = root.expanduser().resolve()
        self.shown = str(self.root) if shown is None else shown
        self.origin: Origin | None = None

    @property
    def is_uri(self) -> bool:
        """Whether what is here is a copy."""
        return self.shown != str(self.root)

    def shown_path(self, path: Path) -> Path | str:
        """A path in it as the user knows it: by the URI, once the copy is gone."""
        if not self.is_uri:
            return path
        return (
            f"{self.shown.partition('?')[0].rstrip('/')}/{path.relative_to(self.root).as_posix()}"
        )

    @property
    def tracker(self) -> Path:
        """Raises UnsafeName where it is a link that leads out of the storage."""
        return safe_join(self.root, TRACKER_FOLDER, self.shown)

    def check(self, name: str | None) -> None:
        """Raise UserError unless a sweep of that name could be made; nothing is left behind."""
        if name is not None:
            check_name(name)
        parent = self.root
        try:
            while not parent.exists():
                parent = parent.parent
            with tempfile.TemporaryFile(dir=parent):
                pass
        except NotADirectoryError as error:
            raise UserError(
                f"--storage {self.root}: {parent} is a file, not a folder; choose another folder"
            ) from error
        except OSError as error:  # not to be written, not to be entered, a name too long
            raise UserError(
                f"--storage {self.root}: cannot write in {parent} ({error.strerror}); "
                "choose another folder"
            ) from error
        if name is not None and (self.root / name).exists():
            raise _taken(self.root / name)

    def create(self, record: SweepRecord, config: dict[str, Any]) -> SweepFolder:
        """Make the sweep's folder, with its configuration and its record."""
        folder = SweepFolder(self.root / record.name)
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:  # another sweep took the name since `check`
            raise _taken(folder.path) from None
        try:
            sync_folder(self.root)
            write_atomically(folder.config, dump_yaml(config))
            folder.write_record(record)
        except OSError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        return folder

    def sweeps(
        self, passed_over: Callable[[str], None] = lambda line: None, prefix: str = ""
    ) -> list[SweepFolder]:
        """All sweeps that can be read, and whose names begin with `prefix`, oldest first.
        `passed_over` is told of each other one, and why, in a line."""
        found = []
        for name in (each for each in sweep_names(self.root) if each.startswith(prefix)):
            try:
                folder = self.folder(name)
                found.append((folder.record().created, name, folder))
            except UserError as error:
                passed_over(str(error))
        return [folder for _, _, folder in sorted(found, key=lambda each: each[:2])]

    def folder(self, name: str) -> SweepFolder:
        """That of the sweep `name`. Raises UnsafeName where it lies elsewhere, behind a link."""
        return SweepFolder(safe_join(self.root, name, self.shown))

    def find(self, name: str | None) -> SweepFolder:
        """Find the sweep of that name, whatever is wrong with others; else the latest whose name
        begins so, and a line to stderr that says which; of None, the latest of all. Sweeps among
        which it is the latest and that cannot be read get a line each on stderr. Of a URI, its
        files are brought.

        Raises UserError where there is none, and where the one that is named cannot be read.
        """
        if name is not None and name in sweep_names(self.root):
            return self._brought(self.folder(name))
        sweeps = self.sweeps(to_stderr, name or "") if name != "" else []
        if not sweeps:
            raise no_such_sweep(name, [each.path.name for each in self.sweeps()], self.shown)
        if name is not None:
            to_stderr(f"{name}: the sweep {sweeps[-1].path.name}")
        return self._brought(sweeps[-1])

    def _brought(self, folder: SweepFolder) -> SweepFolder:
        folder.record()
        if self.origin is not None:
            self.origin.sweep(folder.path.name)
        return folder


def new_sweep_name(what: str) -> str:
    """`sweep-20261123-0915-3fa2`: says what and when, sorts by time, does not collide.

    `what` may be any text, such as the `sweep.name` of a W&B sweep; what a folder and an alias
    cannot be called becomes a dash.
    """
    slug = re.sub(r"[^a-z0-9._-]+", "-", what.lower())[:_MOST_OF_NAME].strip("._-")
    now = datetime.now().strftime("%Y%m%d-%H%M")
    return f"{slug or 'sweep'}-{now}-{secrets.token_hex(2)}"


def write_atomically(path: Path, text: str) -> None:
    """Write beside, flush to disk, rename: a reader sees all of it or none of it, also after a
    power cut. When this returns it is on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)  # of a process of that number, or a link that waits there
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
            _sync(file)
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)  # there only if something above failed


def _half_written(path: Path) -> Iterator[Path]:
    """What is left of `path` where a process was killed in `write_atomically`."""
    return path.parent.glob(f".{path.name}.[0-9]*")


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _taken(folder: Path) -> UserError:
    return UserError(
        f"--name {folder.name}: {folder} exists; choose another name, or, if it is a sweep's, go "
        f"on with that: python -m raysweep resume {folder.name}"
    )


def check_name(name: str) -> None:
    """Raise UserError for what no sweep can be called."""
    if not is_name(name):
        raise UserError(
            f"--name {name!r}: a sweep's name takes letters, digits, dots, dashes and underscores, "
            f"64 at most, and is not {TRACKER_FOLDER!r}; it becomes a folder and an alias"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable record of a sweep ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a readable record of a sweep (it holds no mapping)")
    return value
