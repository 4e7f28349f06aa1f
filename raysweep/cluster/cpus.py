"""Count the CPUs that this process may use: in a container or a batch job, fewer than there are."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def usable_cpus(
    groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> int:
    """Return how many CPUs this process may keep busy, at least 1.

    This is the size of its affinity (`taskset`, a batch system, `docker run --cpuset-cpus`), or the
    whole CPUs of its cgroups' quota (`docker run --cpus`, a Kubernetes limit) if that is less.

    `groups`: the file that names the process's cgroups, of version 1 or 2, found below `mounted`.
    """
    quota = min(_quotas(groups, mounted), default=math.inf)
    return max(1, int(min(_allowed(), quota)))


def _allowed() -> int:
    """Count the CPUs of the affinity; on macOS, which has none, all CPUs."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(groups: Path, mounted: Path) -> Iterator[float]:
    """Yield the quota, in CPUs, of each cgroup of the process and of its ancestors."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            for folder in (mounted, mounted / "unified"):
                yield from _along(folder, path, _of_version_2)
        elif "cpu" in controllers.split(","):
            for folder in (mounted / controllers, mounted / "cpu"):
                yield from _along(folder, path, _of_version_1)


def _along(root: Path, path: str, quota: Callable[[Path], float]) -> Iterator[float]:
    """Yield the quotas of a cgroup and its ancestors. In a container `path` may be the host's path
    of what is mounted at `root` here."""
    group = root / path.lstrip("/")
    for folder in (group, *group.parents):
        if root == folder or root in folder.parents:
            try:
                yield quota(folder)
            except (OSError, ValueError):
                continue  # no such group here, or one without a quota ("max")


def _of_version_2(group: Path) -> float:
    most, period = (group / "cpu.max").read_text().split()
    return int(most) / int(period)


def _of_version_1(group: Path) -> float:
    most = int((group / "cpu.cfs_quota_us").read_text())
    if most < 0:
        raise ValueError("no quota")
    return most / int((group / "cpu.cfs_period_us").read_text())
