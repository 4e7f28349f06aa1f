"""The folders of a storage: one per sweep, and the tracker's store, which all sweeps share.

<storage>/
  tracker/            the embedded tracker's store
  <sweep>/
    sweep.json        its record: written when the sweep starts
    config.yaml       its whole configuration
    config.given.yaml what the user wrote of it
    journal.jsonl     its driver's decisions and reports: `resume` replays it
    logs/             what its runs print, and the tracebacks of those that failed
    checkpoints/      those of its trials, until it has ended
    result.json       its result: written last
    best/             the winner's files
    wandb/            the files of W&B's client, if the sweep is recorded in W&B
    wandb.json        its page in W&B, if there is one
    inputs/, tune/    while it runs
"""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from raysweep.addresses import is_uri, refuse_keys
from raysweep.config.yaml import dump_yaml
from raysweep.errors import UserError
from raysweep.invocation import program
from raysweep.paths import safe_join
from raysweep.stderr import to_stderr
from raysweep.storage.atomic import write_atomically
from raysweep.storage.nearest import no_such_sweep
from raysweep.storage.record import TRACKER_FOLDER as TRACKER_FOLDER
from raysweep.storage.record import SweepRecord as SweepRecord
from raysweep.storage.record import is_name, sweep_names
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking.write_behind import sync_folder

_MOST_OF_NAME = 64 - len("-20261123-0915-3fa2")


class Origin(Protocol):
    """The files at a storage's URI that are not here yet. Methods raise UserError if it is
    unreachable; existing local files stay."""

    def sweep(self, name: str) -> None:
        """Download a sweep's files."""

    def project(self, project: str) -> None:
        """Download a project's database."""

    def projects(self) -> None:
        """Download the databases of all projects."""

    def log_sizes(self, name: str) -> dict[str, int]:
        """Map each run of the sweep that has a log to its size in bytes."""

    def logs(
        self, name: str, runs: Iterable[str] | None = None, most_bytes: int | None = None
    ) -> None:
        """Download the logs of these runs of a sweep, or of all; not those that are larger than
        `most_bytes`."""

    def media(self, project: str, runs: Iterable[str]) -> None:
        """Download the pictures that these runs logged."""

    def blobs(self, project: str, digests: Iterable[str]) -> None:
        """Download blobs of a project, by their digests."""

    def results(self) -> None:
        """Download every sweep's result."""

    def journal(self, name: str) -> None:
        """Download a sweep's journal."""

    def has(self, path: str) -> bool:
        """Whether a file, or a folder with files, is there at this path."""

    def bytes_below(self, folder: str) -> int:
        """Sum up the sizes of the files below a folder, which ends with a slash."""

    def sizes_in(self, folder: str) -> dict[str, int]:
        """Map the names in a folder, which ends with a slash, to the bytes of the files below."""

    def doom(self, paths: Iterable[str]) -> None:
        """Delete these files there, and those below paths that end with a slash, after the next
        push. One that is here again by then stays."""


class Storage:
    """A storage folder: makes, lists and finds sweeps.

    `shown` is the name for the user: the folder, or the URI whose working copy it is. `origin`
    downloads what is still at the URI; None for a folder.
    """

    def __init__(self, root: Path, shown: str | None = None) -> None:
        refuse_keys("--storage", root)
        if is_uri(root):
            raise UserError(
                f"--storage {root}: is a URI, but a folder on the driver's machine is needed; "
                "other machines of a cluster need not share it"
            )
        self.root = root.expanduser().resolve()
        self.shown = str(self.root) if shown is None else shown
        self.origin: Origin | None = None

    @property
    def option(self) -> str:
        """What a command needs to find it from here: ` --storage DIR`, or nothing for the usual."""
        from raysweep.config import Config  # pydantic: `--help` does without

        usual = self.shown == str(Path(Config().storage).resolve())
        return "" if usual else f" --storage {shlex.quote(self.shown)}"

    @property
    def is_uri(self) -> bool:
        """Whether the storage is a local copy of a URI."""
        return self.shown != str(self.root)

    def shown_path(self, path: Path) -> Path | str:
        """Return a path for the user: below the URI, if the local copy is temporary."""
        if not self.is_uri:
            return path
        return (
            f"{self.shown.partition('?')[0].rstrip('/')}/{path.relative_to(self.root).as_posix()}"
        )

    @property
    def tracker(self) -> Path:
        """The tracker's folder. Raises UnsafeName if it is a link that leads out of the storage."""
        return safe_join(self.root, TRACKER_FOLDER, self.shown)

    def check(self, name: str | None) -> None:
        """Raise UserError unless a sweep of that name can be created; leave nothing behind."""
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
        except OSError as error:  # not writable, not accessible, name too long
            raise UserError(
                f"--storage {self.root}: cannot write in {parent} ({error.strerror}); "
                "choose another folder"
            ) from error
        if name is not None and (self.root / name).exists():
            raise _taken(self.root / name, self.option)

    def create(
        self, record: SweepRecord, config: dict[str, Any], given: str | None = None
    ) -> SweepFolder:
        """Create the sweep's folder, with its configuration, what the user wrote of it (`given`, as
        YAML), and its record."""
        folder = SweepFolder(self.root / record.name)
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:  # another sweep took the name since `check`
            raise _taken(folder.path, self.option) from None
        try:
            sync_folder(self.root)
            write_atomically(folder.config, dump_yaml(config))
            if given is not None:
                write_atomically(folder.given, given)
            folder.write_record(record)
        except OSError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        return folder

    def sweeps(
        self, on_skipped: Callable[[str], None] = lambda line: None, prefix: str = ""
    ) -> list[SweepFolder]:
        """Return the readable sweeps whose names begin with `prefix`, oldest first. `on_skipped` is
        called with a line for each unreadable one, which says why."""
        found = []
        for name in (each for each in sweep_names(self.root) if each.startswith(prefix)):
            try:
                folder = self.folder(name)
                found.append((folder.record().created, name, folder))
            except UserError as error:
                on_skipped(str(error))
        return [folder for _, _, folder in sorted(found, key=lambda each: each[:2])]

    def folder(self, name: str) -> SweepFolder:
        """Return the folder of the sweep `name`. Raises UnsafeName if it is a link out of here."""
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
            raise no_such_sweep(
                name, [each.path.name for each in self.sweeps()], self.shown, self.option
            )
        if name is not None:
            to_stderr(f"{name}: the sweep {sweeps[-1].path.name}")
        return self._brought(sweeps[-1])

    def _brought(self, folder: SweepFolder) -> SweepFolder:
        folder.record()
        if self.origin is not None:
            self.origin.sweep(folder.path.name)
        if folder.removing.exists():
            name = folder.path.name
            raise UserError(
                f"{name}: its removal was cut short; complete it with `{program()} remove {name}`"
            )
        return folder


def new_sweep_name(what: str) -> str:
    """Make a unique name that sorts by time, such as `sweep-20261123-0915-3fa2`.

    `what` may be any text, such as the `sweep.name` of a W&B sweep; characters that a folder or an
    alias cannot have become dashes.
    """
    slug = re.sub(r"[^a-z0-9._-]+", "-", what.lower())[:_MOST_OF_NAME].strip("._-")
    now = datetime.now().strftime("%Y%m%d-%H%M")
    return f"{slug or 'sweep'}-{now}-{secrets.token_hex(2)}"


def _taken(folder: Path, option: str) -> UserError:
    return UserError(
        f"--name {folder.name}: {folder} exists; choose another name, or, if it is a sweep, "
        f"resume it: {program()} resume {folder.name}{option}"
    )


def check_name(name: str) -> None:
    """Raise UserError if it is not a valid name of a sweep."""
    if not is_name(name):
        raise UserError(
            f"--name {name!r}: a sweep's name takes letters, digits, dots, dashes and underscores, "
            f"64 at most, and is not {TRACKER_FOLDER!r}; it becomes a folder and an alias"
        )
