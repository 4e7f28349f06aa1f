"""The CPUs and the temporary folder that a Ray started here may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysweep.cluster import own
from raysweep.cluster.cpus import usable_cpus
from raysweep.errors import UserError


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def counted(tmp_path: Path, groups: str) -> int:
    write(tmp_path / "cgroup", groups)
    return usable_cpus(tmp_path / "cgroup", tmp_path / "fs")


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("most", "cpus"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 8)],
)
def test_a_quota_of_version_2(tmp_path: Path, most: str, cpus: int) -> None:
    write(tmp_path / "fs" / "pod" / "cpu.max", most)
    assert counted(tmp_path, "0::/pod\n") == cpus


def test_a_quota_of_an_ancestor_applies(tmp_path: Path) -> None:
    write(tmp_path / "fs" / "pod" / "cpu.max", "300000 100000")
    write(tmp_path / "fs" / "pod" / "trial" / "cpu.max", "max 100000")
    assert counted(tmp_path, "0::/pod/trial\n") == 3


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "cpus"), [("400000", 4), ("-1", 8)])
def test_a_quota_of_version_1(tmp_path: Path, controllers: str, quota: str, cpus: int) -> None:
    """In a container the cgroup is mounted elsewhere than its name, which is the host's, says."""
    folder = tmp_path / "fs" / controllers
    write(folder / "cpu.cfs_quota_us", quota)
    write(folder / "cpu.cfs_period_us", "100000")
    assert counted(tmp_path, f"3:cpuset:/\n1:{controllers}:/docker/0a1b\n0::/\n") == cpus


def test_without_cgroups_there_is_no_quota(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path / "none", tmp_path) == 8


def test_a_temporary_folder_that_sockets_do_not_fit_below_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits = "/" + "a" * (own.LONGEST_SOCKET - len(own.SOCKET) - 1)
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.setenv(name, fits)
        own.check_temporary_folder()
        monkeypatch.setenv(name, fits + "bb")
        with pytest.raises(UserError, match=rf"^{name}=/a+bb: is too long .*\(by 2 characters\)"):
            own.check_temporary_folder()
        monkeypatch.setenv(name, fits)
