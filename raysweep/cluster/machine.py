"""What this machine has for a sweep of its own, known before Ray starts; and who else uses it."""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from raysweep.cluster import session_folder
from raysweep.cluster.cpus import usable_cpus
from raysweep.config import ResourcesConfig
from raysweep.errors import UserError

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_OTHER_GPUS = ("nvidia0", "kfd", "dri", "dxg")
"""Device files of other GPUs, and of NVIDIA's in a container or WSL: how many is Ray's to find."""

_MOST_NOTED = 1 << 16
"""Bytes of a mark that are read."""


def check_resources(wanted: ResourcesConfig) -> None:
    """Raise UserError where a trial needs more than this machine has, as `run` would when Ray has
    started. Where Ray is up already, or the GPUs cannot be counted, that is left to it."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        return
    for name, has in (("cpus", usable_cpus()), ("gpus", usable_gpus())):
        needed = getattr(wanted, name)
        if needed != "auto" and has is not None and needed > has:
            raise UserError(
                f"resources.{name}: a trial needs {needed:g}, and this machine has {has}; lower "
                f"resources.{name}, or join a cluster with --address"
            )


def usable_gpus(
    drivers: Path = _NVIDIA, devices: Path = Path("/dev"), visible: str | None = None
) -> int | None:
    """Return how many GPUs this process may use; None where that cannot be told without Ray.

    `visible`: CUDA_VISIBLE_DEVICES, by default that of the environment.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    if drivers.is_dir():
        there = len(list(drivers.iterdir()))
        if chosen is None:
            return there
        asked = [each for each in chosen.split(",") if each.strip()]
        return 0 if chosen in ("-1", "NoDevFiles") else min(len(asked), there)
    return None if any((devices / name).exists() for name in _OTHER_GPUS) else 0


@dataclass(frozen=True)
class Mark:
    """The mark of a sweep of this process on this machine. `others`: a line for the user where
    other sweeps of theirs run here, too; each Ray counts all CPUs as its own."""

    others: str | None = None
    handle: int | None = None

    def note(self, sessions: Sequence[Path]) -> None:
        """Note the session folders of the Rays that this process has started. If it is
        killed, the next sweep removes them."""
        if self.handle is not None:
            with suppress(OSError):
                os.pwrite(self.handle, session_folder.noted(sessions), 0)


@contextmanager
def shared() -> Iterator[Mark]:
    """Mark a sweep of this process as running on this machine, for the block.

    A sweep is marked by a lock, which the system releases with the process. What a sweep that was
    killed has left in Ray's temporary folder is removed first.
    """
    try:
        folder = _folder()
        others = [pid for pid in map(_running, folder.iterdir()) if pid]
        path = folder / f"{os.getpid()}-{secrets.token_hex(2)}"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:  # a full disk, a folder of somebody else: the sweep runs without a mark
        yield Mark()
        return
    try:
        yield Mark(_said(others), handle)
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _folder() -> Path:
    """Return the folder of this user's marks on this machine; raises OSError if it is another's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime else Path(tempfile.gettempdir())
    folder = base / (f"raysweep-{os.getuid()}" if not runtime else "raysweep")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder}: another user's")
    return folder


def _running(mark: Path) -> int | None:
    """Return the process of a sweep that still runs; of one that was killed remove the session
    folders, and then the mark."""
    try:
        handle = os.open(mark, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if session_folder.remove_noted(os.pread(handle, _MOST_NOTED, 0)):
            mark.unlink(missing_ok=True)
        return None
    except OSError:
        number = mark.name.partition("-")[0]
        return int(number) if number.isdigit() else None
    finally:
        os.close(handle)


def _said(others: list[int]) -> str | None:
    if not others:
        return None
    cpus = usable_cpus()
    machine = f"{cpus} CPU" + "s" * (cpus != 1)
    who = f"another sweep (process {others[0]}) runs"
    if len(others) > 1:
        who = f"{len(others)} other sweeps (processes {', '.join(map(str, others))}) run"
    return f"{who} on this machine: they share its {machine} with this one, and each takes longer"
