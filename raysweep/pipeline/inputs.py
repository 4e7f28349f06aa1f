"""An artifact version on this node: downloaded and checked once, then shared by every process."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

from raysweep.tracking import Tracker


def fetch(tracker: Tracker, ref: str, root: Path) -> Path:
    """The folder below `root` that holds `ref`'s files, downloading them if nobody has yet.

    `ref` is an exact version (`name:vK`). One process downloads and checks the digests while the
    others wait; the folder appears under its name only when it is whole.
    """
    folder = root / ref.replace(":", "-")
    if folder.is_dir():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{folder.name}.lock"):
        if not folder.is_dir():
            partial = root / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a process that died here
            tracker.download(ref, partial)
            partial.rename(folder)
    return folder
