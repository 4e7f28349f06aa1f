"""A command works though its stdin, stdout or stderr is closed, full or not read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from raysweep.config import Config
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

from commands import environment
from sweeps import HAS_LOCAL_MODE, digits, grid

RUN = ("run", "sweep.yaml", "--local-mode", "--name", "mine")
PLAN = ("plan", "sweep.yaml")


def many_sweeps(folder: Path, count: int) -> None:
    storage = Storage(folder / "runs")
    for number in range(count):
        record = SweepRecord.new(f"sweep-{number}", "artifacts-example", None, "trackio")
        storage.create(record, Config().to_dict())


def redirected(folder: Path, redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, in a shell with that redirection."""
    (folder / "sweep.yaml").write_text(yaml.safe_dump(digits(grid(learning_rate=[0.01]))))
    return subprocess.run(
        [
            "/bin/sh",
            "-c",
            f'"$@" {redirection}',
            "sh",
            sys.executable,
            "-m",
            "raysweep",
            *arguments,
        ],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(not HAS_LOCAL_MODE, reason="this Ray has no local mode")
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-", "2>&1 | true"])
def test_a_sweep_that_cannot_print_its_progress(tmp_path: Path, redirection: str) -> None:
    as_json = () if "|" in redirection else ("--json",)
    done = redirected(tmp_path, redirection, *RUN, *as_json)
    result = json.loads((tmp_path / "runs" / "mine" / "result.json").read_text())
    assert result["trials"]["completed"] == 1
    if as_json:
        assert done.returncode == 0
        assert json.loads(done.stdout) == result


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&-"])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_any_of_them_closed(tmp_path: Path, redirection: str, as_json: tuple[str, ...]) -> None:
    done = redirected(tmp_path, redirection, *PLAN, *as_json)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if as_json and ">&-" not in redirection.replace("2>&-", ""):
        assert json.loads(done.stdout)["trials"] == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_mistake_keeps_its_exit_code(tmp_path: Path, redirection: str) -> None:
    assert redirected(tmp_path, redirection, *PLAN, "--set", "train.epoch=3").returncode == 2
    assert redirected(tmp_path, redirection, "nonsense").returncode == 2


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_a_full_stdout_is_reported(tmp_path: Path, as_json: tuple[str, ...]) -> None:
    done = redirected(tmp_path, ">/dev/full", *PLAN, *as_json)
    assert done.returncode == 1
    told = "raysweep: what it writes to: No space left on device; make room, and try again\n"
    assert done.stderr == told


def test_the_first_line_of_a_list(tmp_path: Path) -> None:
    many_sweeps(tmp_path, 40)
    done = redirected(tmp_path, "| head -1", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "sweep"
    assert done.stdout.count("\n") == 1


def test_a_list_in_a_file(tmp_path: Path) -> None:
    many_sweeps(tmp_path, 3)
    done = redirected(tmp_path, "> listed", "list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (tmp_path / "listed").read_text()
    assert [f"sweep-{number}" in text for number in range(4)] == [True, True, True, False]
    assert "\x1b" not in text, "no colours"
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_a_lineage_through_grep(tmp_path: Path) -> None:
    many_sweeps(tmp_path, 1)
    store = TrackioStore(tmp_path / "runs" / "tracker", "artifacts-example")
    tracker = TrackioTracker(store)
    (tmp_path / "weights").write_bytes(b"weights")
    run = tracker.start_run(RunSpec("a-trial", "a-trial", "train", "sweep-0"))
    files = {"weights": tmp_path / "weights"}
    run.log_artifact(ArtifactDraft("trained-model", "model", "A model", {}, files))
    run.finish()
    tracker.close()
    done = redirected(tmp_path, "| grep a-trial", "lineage", "trained-model")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.endswith("trained-model:v0 (latest)")


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("plan", "--sett", "train.epochs=3"), "--set"),
        (("run", "--stroage", "x"), "--storage"),
        (("best", "--dowload", "x"), "--download"),
        (("bset",), "best"),
    ],
    ids=lambda each: each[-1] if isinstance(each, str) else each[0],
)
def test_a_misspelt_word_gets_the_nearest_suggestion(
    tmp_path: Path, arguments: tuple[str, ...], near: str
) -> None:
    done = redirected(tmp_path, "", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
    assert f"did you mean {near}?" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", ["run", "plan"])
def test_set_without_a_value_is_refused(tmp_path: Path, command: str) -> None:
    done = redirected(tmp_path, "", command, "--set")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith("argument --set: expected one argument")
