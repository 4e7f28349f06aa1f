"""Paths below a folder that others may write to: a shared storage, a bucket, a tracker's database.

A name that was stored there is untrusted. Only `safe_join` may join it to a folder.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from raysweep.errors import UnsafeName

_SEPARATORS = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_SHOWN = 120
"""Characters of a bad name in a message."""


def safe_join(root: Path, name: str, whose: object = None) -> Path:
    """Join a stored `name`, relative and with slashes, to `root`; the result is below `root`.

    `whose` is the folder's name for the user if it is not `root`: a URI, an artifact. Raises
    UnsafeName for an absolute name, one that contains `..`, `.`, an empty part or NUL, and one that
    leads out of `root` by a link. `root` itself may be a link: the user named it. Backslashes count
    as separators if they would lead out, since the same storage may be read on Windows.

    The check sees the current state; it does not protect against concurrent changes.
    """
    _check_name(root, name, whose)
    path = root / name
    real_root, real = os.path.realpath(root), os.path.realpath(path)
    if os.path.commonpath([real_root, real]) != real_root:
        raise UnsafeName(
            f"{whose or root}: {_shown(name)} leads out of it by a link, to {real}; raysweep "
            "follows no link out of a storage: copy the files there instead"
        )
    return path


def is_own(folder: Path) -> bool:
    """Whether the folder belongs to this user. A link to it must, too: in a temporary folder any
    user can make one."""
    owners = {folder.lstat().st_uid, folder.stat().st_uid}
    return owners == {os.getuid()}


def is_of_the_disk(error: BaseException) -> bool:
    """Whether the disk caused the error: it is full, read-only or broken."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK


def _check_name(root: Path, name: str, whose: object) -> None:
    parts = _SEPARATORS.split(name) if isinstance(name, str) else []
    if (
        not parts
        or not parts[0]
        or ".." in parts
        or {"", "."} & set(name.split("/"))
        or "\0" in name
        or _DRIVE.match(name)
    ):
        raise UnsafeName(
            f"{whose or root}: holds the name {_shown(name)}, which would lead out of its folder; "
            "raysweep never writes such a name: remove it, or use a source that you trust"
        )


def _shown(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
