"""A folder of a trial's own, in which the entries of the user's folder are links.

Trials that run at once would write over each other's `model.pth` in a folder that they share. What
a program makes anew stays in its trial's folder; the user's folder stays as it was. (A program that
opens an existing file of the user's for writing does change it: through a link, as anywhere.)
"""

from __future__ import annotations

import shutil
from pathlib import Path

LEFT_OUT = frozenset({"wandb", "__pycache__"})
"""Entries that programs write into and that no program reads: each trial gets its own."""


def make(folder: Path, users: Path, storage: Path | None) -> Path:
    """Make the folder anew, with a link to each entry of `users`; `storage`, where sweeps are kept,
    is left out."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for entry in users.iterdir():
        if entry.name in LEFT_OUT or (storage is not None and entry.resolve() == storage):
            continue
        (folder / entry.name).symlink_to(entry.absolute())
    return folder


def drop_links(folder: Path) -> None:
    """Remove the links to the user's entries, and `wandb`'s files, which the tracker has: what is
    left is what the trial wrote."""
    if not folder.is_dir():
        return
    for entry in list(folder.iterdir()):
        if entry.is_symlink():
            entry.unlink()
    shutil.rmtree(folder / "wandb", ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()
