"""What a machine has for a sweep of its own, and that others use it, too."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from raysweep.cluster import machine
from raysweep.config import Config
from raysweep.errors import UserError


@pytest.mark.parametrize(
    ("there", "devices", "visible", "expected"),
    [
        (2, [], None, 2),
        (2, [], "1", 1),
        (2, [], "0,1,2", 2),
        (2, [], "", 0),
        (2, [], "-1", 0),
        (None, [], None, 0),
        (None, ["null"], "0", 0),
        (None, ["kfd"], None, None),
        (None, ["nvidia0"], None, None),
    ],
)
def test_gpus_are_counted_where_they_can_be(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: int | None,
    devices: list[str],
    visible: str | None,
    expected: int | None,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for number in range(there or 0):
        (tmp_path / "gpus" / f"0000:{number:02}:00.0").mkdir(parents=True)
    for name in devices:
        (tmp_path / name).touch()
    assert machine.usable_gpus(tmp_path / "gpus", tmp_path, visible) == expected


@pytest.mark.parametrize("name", ["cpus", "gpus"])
def test_more_than_there_is_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "usable_cpus", lambda: 4)
    monkeypatch.setattr(machine, "usable_gpus", lambda: 4)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    machine.check_resources(Config.from_dict({"resources": {name: 4}}).resources)
    machine.check_resources(Config().resources)
    with pytest.raises(
        UserError, match=rf"resources\.{name}: a trial needs 5, and this machine ha"
    ):
        machine.check_resources(Config.from_dict({"resources": {name: 5}}).resources)
    monkeypatch.setattr(machine, "usable_gpus", lambda: None)  # Ray will tell
    machine.check_resources(Config.from_dict({"resources": {"gpus": 500}}).resources)


ANOTHER = """
from raysweep.cluster import machine
with machine.shared() as mark:
    print(mark.others, flush=True)
    input()
"""


def test_sweeps_at_once_say_that_they_share_the_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(machine, "usable_cpus", lambda: 2)
    with machine.shared() as mark:
        assert mark.others is None
    another = subprocess.Popen(
        [sys.executable, "-c", ANOTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert another.stdout is not None
    assert another.stdout.readline() == "None\n"
    with machine.shared() as mark:
        assert mark.others == (
            f"another sweep (process {another.pid}) runs on this machine: they share its 2 CPUs "
            "with this one, and each takes longer"
        )
    another.kill()  # its lock goes with it, and its mark with whoever looks next
    another.communicate()
    with machine.shared() as mark:
        assert mark.others is None
        assert len(list((tmp_path / "raysweep").iterdir())) == 1
    assert list((tmp_path / "raysweep").iterdir()) == []


LEAVES_A_SESSION = """
import os, subprocess, sys
from pathlib import Path
from raysweep.cluster import machine
session = Path(sys.argv[1])
with machine.shared() as mark:
    mark.note([session])
    log = (session / "logs" / "raylet.out").open("w")
    ray = subprocess.Popen(["sleep", "100"], stdout=log, cwd="/")
    print(ray.pid, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_sweep_left_goes_when_its_processes_have_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    session, other = tmp_path / "ray" / "session_mine", tmp_path / "ray" / "session_other"
    for each in (session, other):
        (each / "logs").mkdir(parents=True)
    killed = subprocess.run(
        [sys.executable, "-c", LEAVES_A_SESSION, session], stdout=subprocess.PIPE, text=True
    )
    assert killed.returncode == -9
    with machine.shared() as mark:
        assert mark.others is None
        assert session.is_dir(), "a process of its Ray still logs into it"
    os.kill(int(killed.stdout), 9)
    deadline = time.monotonic() + 20
    while session.is_dir() and time.monotonic() < deadline:  # until that process has gone
        with machine.shared():
            pass
    assert not session.exists()
    assert other.is_dir(), "who started this one has said nothing"
    assert list((tmp_path / "raysweep").iterdir()) == []


def test_without_a_runtime_folder_the_temporary_one_is_used_and_a_strangers_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with machine.shared() as mark:
        assert mark.others is None
        (folder,) = tmp_path.iterdir()
        assert (folder.name, folder.stat().st_mode & 0o777) == (f"raysweep-{os.getuid()}", 0o700)
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
        with machine.shared() as second:
            assert second.others is None, (
                "there is a mark, behind a link that another user may have made"
            )
