"""The program's folder as it is sent: what is left out, what stays as it was, what is too much."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from raysweep.config import Config
from raysweep.errors import UserError
from raysweep.trials.program.folder import packing
from raysweep.trials.program.workload import Program


def config_of(
    folder: Path, *, program: str = "train.py", storage: str = "kept", **more: Any
) -> Config:
    sweep = {
        "program": program,
        "method": "grid",
        "metric": {"name": "loss"},
        "parameters": {"lr": {"values": [1]}},
    }
    return Config.from_dict(
        {
            "program": {"directory": str(folder), **more},
            "sweep": sweep,
            "storage": str(folder / storage),
        }
    )


def write(folder: Path, *names: str, text: str = "x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def sent(folder: Path, to: Path, **settings: Any) -> Path:
    packing.check(config_of(folder, **settings))
    archive = io.BytesIO()
    packing.pack(config_of(folder, **settings), archive)
    archive.seek(0)
    packing.unpack(archive, to)
    return to


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "the user's project"
    write(made, "train.py", "pkg/helper.py", "data/small.csv", ".env")
    return made


def test_what_no_trial_needs_is_left_out(folder: Path, tmp_path: Path) -> None:
    kept = files(folder)
    write(folder, ".git/HEAD", "pkg/__pycache__/helper.pyc", "wandb/run-1/files/x")
    write(folder, "env/pyvenv.cfg", "env/bin/python", "conda/conda-meta/history", "conda/lib")
    write(folder, "kept/new", "other runs/climb/sweep.json", "pkg/wandb/offline-run-2/x")
    write(folder, "tools/wandb/mine.py")  # a module that has the client's name is the user's
    os.mkfifo(folder / "pipe")
    assert files(sent(folder, tmp_path / "there")) == {*kept, "tools/wandb/mine.py"}


def test_ignore_files_count_as_git_reads_them(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()  # the folder is a part of a repository
    write(tmp_path, ".gitignore", text="*.log\nthe user's project/\n")
    # `!` and a backslash at the end of a line are no patterns: git skips them.
    write(folder, ".gitignore", text="data/\n!\n*.bin\n!/keep.bin\nkeep.bin\\\n")
    write(folder, ".raysweepignore", text="!data/\ndata/raw\n/notes.txt\n")
    write(folder, "pkg/.gitignore", text="!in.log\n")
    write(folder, "a.bin", "keep.bin", "pkg/b.bin", "data/raw/huge", "a.log", "pkg/in.log")
    write(folder, "notes.txt", "pkg/notes.txt")
    assert files(sent(folder, tmp_path / "there")) == {
        *("train.py", "pkg/helper.py", "data/small.csv", ".env", "keep.bin", "pkg/in.log"),
        *("pkg/notes.txt", ".gitignore", ".raysweepignore", "pkg/.gitignore"),
    }


def test_links_permissions_and_times_stay(folder: Path, tmp_path: Path) -> None:
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    os.utime(folder / "train.py", (1_000_000_000, 1_000_000_000))
    (folder / "empty").mkdir()
    (folder / "pkg" / "rows.csv").symlink_to("../data/small.csv")
    (folder / "inputs").symlink_to(folder / "data")  # absolute, and in the folder
    (folder / "elsewhere").symlink_to("/mnt/datasets")
    (tmp_path / "short").symlink_to(folder)
    (folder / "other way").symlink_to(tmp_path / "short" / "data" / "small.csv")
    there = sent(folder, tmp_path / "there")
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (there / "train.py").stat().st_mtime == 1_000_000_000
    assert (there / "empty").is_dir()
    assert (there / "pkg" / "rows.csv").readlink() == Path("../data/small.csv")
    assert (there / "inputs").readlink() == Path("data")
    assert (there / "other way").readlink() == Path("data/small.csv")
    again = sent(tmp_path / "short", tmp_path / "there too")
    assert (again / "inputs" / "small.csv").read_text() == "x"
    assert (again / "inputs").readlink() == Path("data")
    assert (there / "inputs" / "small.csv").read_text() == "x"
    assert (there / "elsewhere").readlink() == Path("/mnt/datasets")


def test_too_much_is_refused_with_the_largest_entries(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST_BYTES", 3_100_000)
    for name, megabytes in (("data/a", 2), ("data/b", 2), ("model.pth", 1), ("skip/me", 9)):
        write(folder, name)
        with (folder / name).open("wb") as file:
            file.truncate(megabytes * 1_000_000)
    write(folder, ".raysweepignore", text="skip\n")
    with pytest.raises(UserError) as refused:
        packing.check(config_of(folder))
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"program.directory: {folder}: has 5 MB to send")
    assert "at most 3 MB are sent; the largest: data (4 MB), model.pth (1 MB); " in line
    assert line.endswith(f"in {folder}/.raysweepignore")
    write(folder, ".raysweepignore", text="skip\ndata/b\n")
    packing.check(config_of(folder))


def test_a_program_that_an_ignore_file_names_is_refused(folder: Path) -> None:
    write(folder, ".gitignore", text="*.py\n")
    with pytest.raises(UserError, match=r"^sweep\.program: .*train\.py: is not sent .*!/train\.py"):
        packing.check(config_of(folder))
    write(folder, ".raysweepignore", text="!/train.py\n")
    packing.check(config_of(folder))


def test_the_advice_sends_the_file(folder: Path) -> None:
    write(
        folder, "src/job/train.py", "tools/load.py", "tools/eval.sh", "env/pyvenv.cfg", "env/x.py"
    )
    write(folder, ".gitignore", text="src/\n/data\n")
    write(folder, "tools/.gitignore", text="*\n")
    for settings, where, line in (
        ({"program": "src/job/train.py"}, "sweep.program: ", "!/src/"),
        ({"before": [["python", "tools/load.py"]]}, "program.before[0]: ", "tools/!/load.py"),
        ({"after": ["bash", "tools/eval.sh", "out.py"]}, "program.after: ", "tools/!/eval.sh"),
    ):
        config = config_of(folder, **settings)
        with pytest.raises(UserError) as refused:
            packing.check(config)
        below, _, pattern = line.rpartition("!")
        ignore = folder / below / ".raysweepignore"
        assert str(refused.value).startswith(where + str(folder))
        assert str(refused.value).endswith(f"; add `!{pattern}` to {ignore}")
        with ignore.open("a") as file:
            file.write(f"!{pattern}\n")
        packing.check(config)
    with pytest.raises(UserError, match=r"^program\.after: .*since .*/env has an environment"):
        packing.check(config_of(folder, after="env/x.py"))


def test_sweeps_in_the_folder_itself_are_left_out(folder: Path, tmp_path: Path) -> None:
    kept = files(folder)
    write(folder, "climb/sweep.json", "climb/config.yaml", "climb/best/model.pth")
    write(folder, "tracker/db", "pkg/tracker/mine.py", "w/sweep.json")
    there = sent(folder, tmp_path / "there", storage=".")
    assert files(there) == {*kept, "pkg/tracker/mine.py", "w/sweep.json"}


def test_an_empty_folder_is_sent(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert list(sent(tmp_path / "empty", tmp_path / "there").iterdir()) == []


def test_a_full_disk_is_not_the_folders_fault(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "program.tar").symlink_to("/dev/full")
    with pytest.raises(UserError) as refused:
        Program().pack(config_of(folder), tmp_path)
    assert str(refused.value).startswith(f"{tmp_path}/program.tar: cannot be written (No space")
