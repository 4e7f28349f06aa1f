"""What stays of the folder `wandb`, in which W&B's client keeps a run on this machine.

The tracker has what the client sent. It has neither a file that the script wrote into
`wandb.run.dir` without `wandb.save`, which the client leaves there, nor a run in mode offline.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from raysweep.errors import TrackingError
from raysweep.tracking.programs import CLIENTS_OWN
from raysweep.tracking.store import Store

OFFLINE = "offline-run-*"
"""The folders of runs in mode offline, which `wandb sync` sends."""

Recorded = Callable[[str], list[str]]
"""Returns the names of the files that the tracker has of a run, of which the id is given."""


def names_in(store: Store) -> Recorded:
    """Return what asks the store; of a run that it does not know, or now cannot read, no file."""

    def names(run_id: str) -> list[str]:
        with suppress(TrackingError):
            return [file.path for file in store.files(run_id)]
        return []

    return names


def drop_clients(folder: Path, recorded: Recorded) -> None:
    """Remove what the tracker has, and the client's own files, from its folder `wandb`."""
    if folder.is_symlink() or not folder.is_dir():
        return
    offline = set(folder.glob(OFFLINE))
    for entry in folder.iterdir():
        if entry in offline:
            continue
        if entry.is_symlink() or not entry.is_dir():
            entry.unlink()
        elif entry.name.startswith("run-"):
            _drop_run(entry, recorded)
        else:
            shutil.rmtree(entry, ignore_errors=True)
    _drop_empty(folder)


def _drop_run(folder: Path, recorded: Recorded) -> None:
    """`folder`: `run-DATE_TIME-ID`; its `files` are what the script knows as `wandb.run.dir`."""
    files = folder / "files"
    left = [file for file in _files(files) if file.relative_to(files).as_posix() not in CLIENTS_OWN]
    if left:
        sent = {(files / name).resolve() for name in recorded(folder.name.split("-", 2)[-1])}
        left = [file for file in left if file.resolve() not in sent]
    kept = {folder / "files", *left}
    for entry in folder.iterdir():
        if entry in kept:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink()
    for file in _files(files, links=True):
        if file not in kept:
            file.unlink()
    _drop_empty(folder)


def _files(folder: Path, *, links: bool = False) -> Iterator[Path]:
    """Yield the files below `folder`; links, by which `wandb.save` names a file, only if asked."""
    for place, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        for path in (Path(place, name) for name in (*names, *linked)):
            if links or not path.is_symlink():
                yield path


def _drop_empty(folder: Path) -> None:
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # something is in it
            Path(place).rmdir()
