"""Check where the sockets of a Ray of one's own would be."""

from __future__ import annotations

import os
import sys

from raysweep.errors import UserError

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path that the system takes."""

SOCKET = "/ray/session_2026-11-30_19-03-29_784877_4194304/sockets/plasma_store"
"""What Ray puts below the temporary folder, at its longest."""


def check_temporary_folder() -> None:
    """Raise UserError where the paths of Ray's sockets would be longer than the system takes.

    Ray looks into these variables, in this order; on macOS it has /tmp whatever TMPDIR is.
    """
    names = ("RAY_TMPDIR", "TMPDIR") if sys.platform == "linux" else ("RAY_TMPDIR",)
    name = next((each for each in names if each in os.environ), None)
    if name is None:
        return
    folder = os.environ[name]
    length = len(os.fsencode(folder)) + len(SOCKET)
    if length > LONGEST_SOCKET:
        raise UserError(
            f"{name}={folder}: is too long for the sockets that Ray has below it (by "
            f"{length - LONGEST_SOCKET} characters); set RAY_TMPDIR to a shorter folder, as /tmp"
        )
