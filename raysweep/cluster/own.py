"""A Ray of one's own: what it may use of this machine, and who can reach it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ray._private import ray_constants

from raysweep.cluster.cpus import usable_cpus
from raysweep.cluster.faststart.replaced import replaced, setting
from raysweep.errors import UserError

__all__ = ["check_temporary_folder", "on_loopback", "usable_cpus"]

LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107
"""Bytes of a socket's path that the system takes."""

SOCKET = "/ray/session_2026-11-30_19-03-29_784877_4194304/sockets/plasma_store"
"""What Ray puts below the temporary folder, at its longest."""


@contextmanager
def on_loopback() -> Iterator[None]:
    """Within it, `ray.init` starts a Ray whose ports are open to this machine alone.

    Whoever reaches them runs code as the user. By itself Ray opens them, on Linux, at the machine's
    network address; it has a switch for macOS and Windows, where it keeps to loopback.
    """
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    with setting(name, "0"), replaced(ray_constants, "ENABLE_RAY_CLUSTER", False):
        yield


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
