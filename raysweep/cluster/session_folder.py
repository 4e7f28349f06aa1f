"""Remove what a Ray that was started here leaves in its temporary folder: its logs and sockets.

A driver that is killed cannot do so. It has noted its session folders in its mark on this machine
(see `machine`), and the next sweep that starts here removes them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from raysweep.paths import is_own

_PREFIX = "session_"
_LATEST = "session_latest"
_PROCESSES = Path("/proc")
_NAMESPACE = _PROCESSES / "self" / "ns" / "pid"
_ATTEMPTS = 10
_AGAIN_S = 0.1
"""Ray's processes are told to end, and some still write a log meanwhile."""


def remove_sessions(folders: Iterable[Path]) -> None:
    """Remove these session folders, of Rays that have been shut down, and the link
    `session_latest` if it leads to one of them. What cannot be removed stays."""
    for folder in folders:
        with suppress(OSError):
            if folder.name.startswith(_PREFIX) and not folder.is_symlink() and is_own(folder):
                _remove(folder)


def noted(folders: Iterable[Path]) -> bytes:
    """Return what a mark says of the session folders of its process."""
    try:
        namespace = str(_NAMESPACE.readlink())
    except OSError:
        namespace = None
    return json.dumps({"sessions": [*map(str, folders)], "namespace": namespace}).encode()


def remove_noted(note: bytes) -> bool:
    """Remove the session folders that a mark of a killed driver names; return whether none is left.

    Those stay that a process still uses, and all of another container, whose processes cannot be
    seen from here. It may be killed at any time, and be called by several processes at once.
    """
    try:
        told = json.loads(note)
        folders, namespace = [Path(each) for each in told["sessions"]], told["namespace"]
    except (ValueError, KeyError, TypeError):
        return True  # killed before it had a session, or while it noted one
    there = [folder for folder in folders if folder.is_dir()]
    with suppress(OSError):
        if there and namespace == str(_NAMESPACE.readlink()):
            used = set(_used(there))
            remove_sessions(folder for folder in there if folder not in used)
    return not any(folder.is_dir() for folder in there)


def _used(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders that a process of this user has a file of open, works in, or was started
    with. Ray's own all log into the folder, and have it in their arguments."""
    places = {folder: {f"{folder}/", f"{folder.resolve()}/"} for folder in folders}
    for process in _PROCESSES.iterdir():
        if process.name.isdigit():
            seen = list(_seen(process))
            for folder, names in places.items():
                if any(name in each for name in names for each in seen):
                    yield folder


def _seen(process: Path) -> Iterator[str]:
    """Yield its arguments, its working folder and its open files; of another user's, only the
    first."""
    with suppress(OSError):
        yield os.fsdecode((process / "cmdline").read_bytes().replace(b"\0", b"/"))
        yield f"{(process / 'cwd').readlink()}/"
        for handle in (process / "fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                yield str(handle.readlink())


def _remove(folder: Path) -> None:
    latest = folder.with_name(_LATEST)
    if latest.is_symlink() and latest.readlink().name == folder.name:
        latest.unlink(missing_ok=True)
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_AGAIN_S)
