"""Check the folder in which a Ray that is started here puts its sockets."""

from __future__ import annotations

import os
import sys

from raysweep.errors import UserError

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""The system's limit on a socket's path, in bytes."""

SOCKET = "/ray/session_2026-11-30_19-03-29_784877_4194304/sockets/plasma_store"
"""The longest path that Ray appends to the temporary folder."""


def check_temporary_folder() -> None:
    """Raise UserError if the paths of Ray's sockets would exceed the system's limit.

    Ray reads these variables, in this order; on macOS it uses /tmp and ignores TMPDIR.
    """
    names = ("RAY_TMPDIR", "TMPDIR") if sys.platform == "linux" else ("RAY_TMPDIR",)
    name = next((each for each in names if each in os.environ), None)
    if name is None:
        return
    folder = os.environ[name]
    length = len(os.fsencode(folder)) + len(SOCKET)
    if length > LONGEST_SOCKET:
        raise UserError(
            f"{name}={folder}: is too long for the sockets that Ray puts below it (by "
            f"{length - LONGEST_SOCKET} characters); set RAY_TMPDIR to a shorter path, such as /tmp"
        )
