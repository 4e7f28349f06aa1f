"""A folder of a trial's own, with the entries of the user's folder: small files as copies, the rest
as links.

Trials that run at once would write over each other's `model.pth` in a folder that they share, and
over the user's, if it is there from an earlier run. So a file that a program may well write is its
trial's own; data, which is large, is not copied for each trial. What a program makes anew stays in
its trial's folder. (One that writes into an existing folder of the user's, or opens an existing
large file for writing, does change it: through a link, as anywhere.)
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from raysweep.trials.program.folder.clients import Recorded, drop_clients

MOST_COPIED_BYTES = 64 * 2**20
"""Bytes of the user's files that are copied for a trial, the smallest files first."""

LEFT_OUT = frozenset({"wandb", "__pycache__"})
"""Entries that programs write into and that no program reads: each trial gets its own."""


def make(folder: Path, users: Path, storage: Path | None) -> Path:
    """Make the folder anew, with the entries of `users`; `storage`, where sweeps are kept, is left
    out."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    entries = [entry for entry in users.iterdir() if entry.name not in LEFT_OUT]
    copied = 0
    for entry in sorted(entries, key=_size):
        if storage is not None and entry.resolve() == storage:
            continue
        copied += _size(entry)
        if entry.is_file() and not entry.is_symlink() and copied <= MOST_COPIED_BYTES:
            shutil.copy2(entry, folder / entry.name)
        else:
            (folder / entry.name).symlink_to(entry.absolute())
    return folder


def make_again(folder: Path, users: Path, storage: Path | None) -> Path:
    """Complete the folder of a trial that goes on: what it wrote is there."""
    fresh = make(folder.with_name(f"{folder.name}.new"), users, storage)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in fresh.iterdir():
        if not os.path.lexists(folder / entry.name):
            entry.rename(folder / entry.name)
    shutil.rmtree(fresh)
    return folder


def _size(entry: Path) -> int:
    """Return how many bytes a copy takes; 0 for what is linked anyway."""
    return entry.stat().st_size if entry.is_file() and not entry.is_symlink() else 0


def drop_users(folder: Path, users: Path, recorded: Recorded) -> None:
    """Remove the user's entries, as far as they are as they were, and the files of W&B's client,
    which the tracker has: those in `wandb`, and the versions that it downloaded, a copy of the data
    for each trial. What is left is what the trial wrote, its own links too."""
    if not folder.is_dir():
        return
    for entry in list(folder.iterdir()):
        if _is_link_to(entry, users / entry.name) or _is_unchanged(entry, users / entry.name):
            entry.unlink()
    drop_clients(folder / "wandb", recorded)
    downloads = folder / "artifacts"
    if downloads.is_dir() and not downloads.is_symlink():
        for version in downloads.glob("*:v*"):
            shutil.rmtree(version, ignore_errors=True)
        with suppress(OSError):  # the program keeps files of its own there
            downloads.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()


def _is_link_to(entry: Path, original: Path) -> bool:
    return entry.is_symlink() and entry.readlink() == original.absolute()


def _is_unchanged(copy: Path, original: Path) -> bool:
    """Return whether the file has the size and time of the one that it was copied from."""
    if copy.is_symlink() or not (copy.is_file() and original.is_file()):
        return False
    now, then = copy.stat(), original.stat()
    return (now.st_size, now.st_mtime_ns) == (then.st_size, then.st_mtime_ns)
