"""`remove` and `list --sizes` as a user calls them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raysweep import cli
from raysweep.storage.claim import claim, release
from raysweep.storage.open_storage import open_storage
from raysweep.storage.storage import Storage

from bucket_workshop import HURRIED
from commands import environment
from kept_sweeps import assert_whole, keep, models_of


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path / "runs")
    keep(storage, "first", created="2026-01-01T00:00:00+00:00")
    keep(storage, "second", created="2026-01-02T00:00:00+00:00")
    return storage


def call(
    capfd: pytest.CaptureFixture[str], place: Storage | str, *arguments: str
) -> tuple[int, str, str]:
    where = place if isinstance(place, str) else str(place.root)
    code = cli.main([*arguments, "--storage", where])
    return (code, *capfd.readouterr())


def test_dry_run_names_what_goes_and_how_much(
    storage: Storage, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capfd, storage, "remove", "second", "--dry-run")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("second: its folder, ")
    assert "project kept: 3 runs, 2 versions (trained-model:v2, trained-model:v3), " in out
    assert "trained-model:best moves to trained-model:v1" in lines
    assert lines[-1].endswith("kB in all")
    _, answer, _ = call(capfd, storage, "remove", "second", "--dry-run", "--json")
    found = json.loads(answer)
    assert (found["removed"], found["sweeps"][0]["sweep"]) == (False, "second")
    _, listed, _ = call(capfd, storage, "list", "--sizes", "--json")
    by_name = {each["sweep"]: each["bytes"] for each in json.loads(listed)["sweeps"]}
    assert by_name["second"]["alone"] == found["bytes"]
    assert_whole(storage, sweeps=2)


def test_yes_removes_without_a_question(
    storage: Storage, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capfd, storage, "remove", "first", "--yes")
    assert code == 0
    assert out.startswith("removed first: ")
    assert "ready:v0 stays: second needs it" in err
    code, out, _ = call(capfd, storage, "remove", "second", "--yes", "--json")
    assert (code, json.loads(out)["removed"]) == (0, True)
    assert_whole(storage, sweeps=0)


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_without_a_terminal_it_asks_for_yes(
    storage: Storage, capfd: pytest.CaptureFixture[str], option: list[str]
) -> None:
    code, out, err = call(capfd, storage, "remove", "first", *option)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "say --yes" in err
    assert_whole(storage, sweeps=2)


@pytest.mark.parametrize(("answer", "left"), [("y\n", 1), ("\n", 2), ("no\n", 2)])
def test_on_a_terminal_it_asks(storage: Storage, answer: str, left: int) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "raysweep", "remove", "second", "--storage", storage.root]
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        os.write(ours, answer.encode())
        out, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, err
    assert "remove? [y/N]" in err
    assert ("removed second" in out) == (left == 1)
    assert_whole(storage, sweeps=left)


def test_wrong_input_is_one_line(storage: Storage, capfd: pytest.CaptureFixture[str]) -> None:
    for wrong in (["remove", "frist", "--yes"], ["remove", "first", "secnd", "--yes"]):
        code, out, err = call(capfd, storage, *wrong)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "the nearest: " in err
    with pytest.raises(SystemExit):
        call(capfd, storage, "remove")
    capfd.readouterr()
    lock = claim(storage.folder("first"))
    code, out, err = call(capfd, storage, "remove", "first", "--yes")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is still running" in err
    release(lock)
    assert_whole(storage, sweeps=2)


DRIVER = """
import sys, time
from pathlib import Path
from raysweep.storage.claim import claim, release
from raysweep.storage.storage import Storage
from raysweep.terminal.process import terminable
lock = claim(Storage(Path(sys.argv[1])).folder("first"))
print("runs", flush=True)
try:
    with terminable():
        time.sleep(100)
finally:
    release(lock)
"""


def test_force_interrupts_a_running_sweep(
    storage: Storage, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", DRIVER, str(storage.root)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as driver:  # type: ignore[call-overload]
        assert driver.stdout.readline() == "runs\n"
        code, _, err = call(capfd, storage, "remove", "first", "--force", "--yes")
    assert code == 0, err
    assert driver.returncode != 0
    assert "ready:v0 loses its bytes and keeps its record: second needs it" in err
    assert_whole(storage, sweeps=1)


def test_half_removed(storage: Storage, capfd: pytest.CaptureFixture[str]) -> None:
    storage.folder("first").removing.touch()
    _, out, _ = call(capfd, storage, "list", "--json")
    assert json.loads(out)["sweeps"][0]["state"] == "half removed"
    for command in (["best", "first"], ["resume", "first"], ["sync", "first"]):
        code, out, err = call(capfd, storage, *command)
        assert (code, out) == (2, "")
        assert "complete it with `python -m raysweep remove first`" in err
    away = storage.root / ".removed-gone-0123abcd"
    away.mkdir()
    (away / "sweep.json").write_text("{}")
    code, out, _ = call(capfd, storage, "remove", "gone", "first", "--yes")
    assert code == 0
    assert "removed what was left of gone" in out
    assert_whole(storage, sweeps=1)


def test_what_wandb_keeps_is_said(storage: Storage, capfd: pytest.CaptureFixture[str]) -> None:
    result = storage.root / "first" / "result.json"
    found = json.loads(result.read_text()) | {"links": {"project": "https://wandb.example/p"}}
    result.write_text(json.dumps(found))
    _, out, _ = call(capfd, storage, "remove", "first", "--dry-run")
    assert (
        "W&B's own runs, versions and aliases of first stay there at https://wandb.example/p" in out
    )


def test_list_shows_sizes(storage: Storage, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capfd, storage, "list", "--sizes")
    assert code == 0
    title, first, _ = out.splitlines()
    assert title.split()[:3] == ["sweep", "alone", "shared"]
    assert first.split()[2::2][:2] == ["kB", "B"]


def test_at_a_uri(uri: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with open_storage(uri, pace=HURRIED) as there:
        keep(there, "first", created="2026-01-01T00:00:00+00:00")
        keep(there, "second", created="2026-01-02T00:00:00+00:00")
    before = set(files(tmp_path))
    _, listed, _ = call(capfd, uri, "list", "--sizes", "--json")
    alone: dict[str, Any] = {each["sweep"]: each["bytes"] for each in json.loads(listed)["sweeps"]}
    code, out, err = call(capfd, uri, "remove", "second", "--yes", "--json")
    assert code == 0, err
    assert json.loads(out)["bytes"] == alone["second"]["alone"]
    gone = before - set(files(tmp_path))
    assert {path.split("/")[0] for path in gone} <= {"second", "tracker", ".layers"}
    assert not [path for path in files(tmp_path) if path.startswith("second/")]
    freed = [path for path in gone if "/blobs/" in path or "/media/" in path]
    assert len(freed) == 2 * 2 + 1, freed
    with open_storage(uri, pace=HURRIED) as there:
        record = there.find("first").record()
        there.origin.project("kept")  # type: ignore[union-attr]
        assert len(models_of(there, record)) == 2
        assert keep(there, "third", trials=1)
        assert models_of(there, there.folder("third").record()) == ["trained-model:v4"]


def files(tmp_path: Path) -> list[str]:
    root = tmp_path / "it's there, 100%"
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
