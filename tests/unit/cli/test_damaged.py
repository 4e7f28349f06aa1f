"""A storage in which one sweep cannot be read: it is named, and the others are as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raysweep import cli
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking.trackio.store import TrackioStore

RESULT = {
    "trials": {"total": 1, "completed": 1, "stopped": 0, "failed": 0},
    "best": {
        "trial": "trial-0000",
        "artifact": "trained-model:v0",
        "config": {"learning_rate": 0.01},
        "metrics": {"validation/accuracy": 97.5},
    },
    "test": {"accuracy": 97.0},
}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """With a sweep `good` that has ended, and a later one, `odd`."""
    storage = Storage(tmp_path / "runs")
    for name in ("good", "odd"):
        storage.create(SweepRecord.new(name, "damaged", None, "trackio"), {}).write_result(RESULT)
    record = storage.root / "odd" / "sweep.json"
    record.write_text(record.read_text().replace('"created": "20', '"created": "21'))
    TrackioStore(storage.tracker, "damaged")
    return storage.root


def call(storage: Path, *arguments: str) -> int:
    return cli.main([*arguments, "--storage", str(storage)])


def damage(folder: SweepFolder, how: str, tmp_path: Path) -> str:
    """What `how` says; the file that is to be named."""
    record, result = folder.path / "sweep.json", folder.path / "result.json"
    if how == "half a record":
        record.write_text('{"name": "od')
    elif how == "a record of something else":
        record.write_text('{"version": 1}')
    elif how == "half a result":
        result.write_text('{"best": ')
        return str(result)
    elif how == "no result":
        result.write_text("[" * 100_000)
        return str(result)
    elif how == "a folder for a record":
        record.unlink()
        record.mkdir()
    elif how == "a link":
        folder.path.rename(tmp_path / "elsewhere")
        folder.path.symlink_to(tmp_path / "elsewhere")
        return f"{folder.path.parent}: 'odd' leads out of it by a link"
    return str(record)


WAYS = [
    *("half a record", "a record of something else", "half a result", "a folder for a record"),
    *("a link", "no result"),
]


@pytest.mark.parametrize("how", WAYS)
def test_the_others_go_on(
    how: str, storage: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    named = damage(Storage(storage).find("odd"), how, tmp_path)
    assert call(storage, "list", "--json") == 0
    out, err = capfd.readouterr()
    assert [each["sweep"] for each in json.loads(out)["sweeps"]] == ["good"]
    assert err.count("\n") == 1
    assert err.startswith("raysweep: ")
    assert named in err
    assert call(storage, "best", "good", "--json") == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["best"]["artifact"] == "trained-model:v0"
    assert err == ""
    assert call(storage, "resume", "good", "--json") == 0
    assert capfd.readouterr().err == "good has ended already: nothing is left to do\n"
    assert call(storage, "best", "odd") == 2
    out, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert named in err


def test_a_result_without_what_is_shown_of_it_is_named(
    storage: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for document in ({}, {"best": 1}, {**RESULT, "test": None}):
        (storage / "odd" / "result.json").write_text(json.dumps(document))
        assert call(storage, "list") == 0
        out, err = capfd.readouterr()
        assert f"{storage}/odd/result.json: not the result of a sweep" in err
        assert "trained-model:v0" in out


def test_a_newer_raysweeps_sweep_is_shown(storage: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = storage / "odd" / "sweep.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "kind": "program"}))
    assert call(storage, "list", "--json") == 0
    out, err = capfd.readouterr()
    assert [each["sweep"] for each in json.loads(out)["sweeps"]] == ["good", "odd"]
    assert err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_an_answer_that_finds_no_room_is_told_in_a_line(storage: Path) -> None:
    command = [sys.executable, "-m", "raysweep", "list", "--json", "--storage", str(storage)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    line = "raysweep: what it writes to: No space left on device; make room, and try again\n"
    assert done.stderr == line
