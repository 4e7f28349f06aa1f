"""`logs`: one log, the list of a sweep's logs, and a run that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep import cli
from raysweep.storage.claim import reclaimed
from raysweep.storage.reading import StoredSweep
from raysweep.storage.run_logs import RunLogs

from told_sweep import ToldSweep, boom

Logs = Callable[..., tuple[int, str, str]]


@pytest.fixture
def logs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Logs:
    """logs("told", "3"): exit code, stdout, stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.main(["logs", "--storage", str(tmp_path / "runs"), *map(str, arguments)])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def told(tmp_path: Path) -> ToldSweep:
    """A stage and two trials; the second failed, a third has begun and printed nothing."""
    sweep = ToldSweep.create(tmp_path / "runs", "told-sweep")
    sweep.trial(0, [50.0]).ended(0).trial(1).ended(1, "failed", **boom()).trial(2)
    sweep.folder.logs.mkdir()
    for run, text in {"load": "loaded\n", "trial-0000": "a\nb\n", "trial-0001": "boom\n"}.items():
        sweep.folder.log(run).write_text(text)
    return sweep


@pytest.mark.parametrize("names", [[], ["told-sweep"], ["told"]])
def test_without_a_run_the_logs_are_listed(logs: Logs, told: ToldSweep, names: list[str]) -> None:
    code, out, err = logs(*names)
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["run", "size"],
        ["load", "7", "B"],
        ["trial-0000", "4", "B"],
        ["trial-0001", "5", "B", "failed"],
        ["trial-0002", "0", "B"],
    ]
    assert "name a run: python -m raysweep logs told-sweep trial-0001 --storage " in err
    found = json.loads(logs(*names, "--json")[1])
    assert found["sweep"] == "told-sweep"
    assert found["logs"][2] == {
        "run": "trial-0001",
        "bytes": 5,
        "failed": True,
        "log": str(told.folder.log("trial-0001")),
    }


@pytest.mark.parametrize("names", [["1"], ["trial-0001"], ["told-sweep", "1"], ["told", "1"]])
def test_a_run(logs: Logs, told: ToldSweep, names: list[str]) -> None:
    assert logs(*names)[:2] == (0, "boom\n")


def test_the_only_log_is_shown(logs: Logs, tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path / "runs")
    sweep.folder.logs.mkdir()
    sweep.folder.log("load").write_text("one\ntwo\n")
    assert logs("told", "--tail", "1") == (0, "two\n", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "no run nothing in told-sweep, which has load, trial-0000, trial-0001, "),
        (["told", "trail-0002"], "trial-0001, trial-0002; the nearest: trial-0002"),
        (["nobody", "1"], "no sweep named nobody"),
        (["told", "--tail", "3"], "--tail: name a run of told-sweep: load, trial-0000"),
        (["told", "--follow"], "--follow: name a run of told-sweep: load"),
        (["told", "1", "2"], "logs told 1 2: takes one sweep and one run"),
    ],
)
def test_wrong_names(logs: Logs, told: ToldSweep, arguments: list[str], complaint: str) -> None:
    code, out, err = logs(*arguments)
    assert (code, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err


def test_many_trials_are_named_in_short(logs: Logs, tmp_path: Path) -> None:
    sweep = ToldSweep.create(tmp_path / "runs")
    for index in range(20):
        sweep.trial(index)
    _, _, err = logs("told", "40")
    assert "no run 40 in told, which has 20 trials from trial-0000 to trial-0019" in err


def test_a_run_that_has_ended_is_not_followed_until_the_sweep_ends(
    told: ToldSweep,
) -> None:
    logs = RunLogs(StoredSweep.find(told.folder.path.parent, told.folder.path.name))
    with reclaimed(told.folder):
        for run in ("trial-0002", "load", "load-data"):
            assert not logs.has_ended(run)
        assert logs.has_ended("trial-0000")
        told.tell("stage", stage="load", ref="raw:v0", cached=False)
        told.tell("before", stage="load-data", cached=False)
        told.tell("retry", index=0)
        assert logs.has_ended("load")
        assert logs.has_ended("load-data"), "a program that logs no artifact"
        assert not logs.has_ended("trial-0000"), "it was begun again"
    assert logs.has_ended("trial-0000"), "nobody drives the sweep"
