"""The folders of a storage: whole records, names, and what stands in the way of a sweep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raysweep.config import Config, load_config
from raysweep.errors import UserError
from raysweep.storage.atomic import write_atomically
from raysweep.storage.storage import Storage, SweepRecord, new_sweep_name
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking.names import check_alias


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "a storage's folder")


def make(storage: Storage, name: str, created: str = "2026-11-23T09:15:00+00:00") -> SweepFolder:
    record = SweepRecord.new(name, "artifacts-example", None, "trackio")
    return storage.create(replace(record, created=created), Config().to_dict())


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refusal(act: Callable[[], object]) -> str:
    """The one line in which `act` refuses."""
    with pytest.raises(UserError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_sweep_is_read_back_as_it_was_made(storage: Storage) -> None:
    record = SweepRecord.new("one", "artifacts-example", "a-team", "wandb")
    config = Config()
    folder = storage.create(record, config.to_dict())
    assert storage.find("one").record() == record
    assert everything_in(folder.path) == ["config.yaml", "sweep.json"]  # nothing half written
    assert folder.result() is None
    folder.write_result({"sweep": "one"})
    folder.write_result({"sweep": "one", "wall_s": 1.5})
    assert storage.find("one").result() == {"sweep": "one", "wall_s": 1.5}
    assert everything_in(folder.path) == ["config.yaml", "result.json", "sweep.json"]


def test_the_stored_config_runs_the_same_sweep(storage: Storage) -> None:
    config = Config.from_dict(
        {"train": {"learning_rate": 1e-5}, "sweep": {"method": "grid", "parameters": {}}}
    )
    record = SweepRecord.new("one", "artifacts-example", None, "trackio")
    folder = storage.create(record, config.to_dict())
    assert load_config(folder.path / "config.yaml") == config


def test_a_write_that_fails_leaves_the_old_record(storage: Storage) -> None:
    folder = make(storage, "one")
    folder.write_result({"sweep": "one"})
    path = folder.path / "result.json"
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half of it, then \ud800")
    assert json.loads(path.read_text()) == {"sweep": "one"}
    assert everything_in(folder.path) == ["config.yaml", "result.json", "sweep.json"]


def test_sweeps_are_listed_and_found_by_age(storage: Storage) -> None:
    make(storage, "b", "2026-11-23T09:15:00+00:00")
    make(storage, "a", "2026-11-23T09:16:00+00:00")
    make(storage, "c", "2026-11-22T00:00:00+00:00")
    (storage.root / "not a sweep").mkdir()
    assert [folder.path.name for folder in storage.sweeps()] == ["c", "b", "a"]
    assert storage.find(None).path.name == "a"
    assert storage.find("c").path.name == "c"


def test_an_unknown_sweep_is_answered_with_those_there_are(storage: Storage) -> None:
    assert "none yet" in refusal(lambda: storage.find(None))
    for number in range(7):
        make(storage, f"sweep-{number}", f"2026-11-23T09:0{number}:00+00:00")
    message = refusal(lambda: storage.find("sweep-9"))
    assert "no sweep named sweep-9" in message
    assert "(7 there; the nearest: sweep-6, sweep-5, sweep-4)" in message
    assert "(7 there; the latest: sweep-6)" in refusal(lambda: storage.find("mnist"))
    assert "no sweep named ''" in refusal(lambda: storage.find("")), "not the latest, unasked"


def test_the_nearest_name_is_found_though_its_time_was_left_out(storage: Storage) -> None:
    make(storage, "digits-20261123-0915-3fa2", "2026-11-23T09:15:00+00:00")
    make(storage, "mnist-20261123-0916-3fa2", "2026-11-23T09:16:00+00:00")
    assert "nearest: digits-20261123-0915-3fa2)" in refusal(lambda: storage.find("digtis"))


def test_the_latest_of_those_whose_names_begin_so(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    make(storage, "bc-1", "2026-11-23T09:15:00+00:00")
    make(storage, "bc-0", "2026-11-23T09:16:00+00:00")
    make(storage, "d", "2026-11-23T09:17:00+00:00")
    assert storage.find("bc").path.name == "bc-0"
    assert capsys.readouterr().err == "raysweep: bc: the sweep bc-0\n"
    make(storage, "bc", "2026-11-22T00:00:00+00:00")
    assert storage.find("bc").path.name == "bc", "exactly so"
    assert capsys.readouterr().err == ""
    damaged = make(storage, "bc-2", "2026-11-23T09:18:00+00:00").path / "sweep.json"
    damaged.write_text("{")
    assert storage.find("bc-").path.name == "bc-0"
    assert str(damaged) in capsys.readouterr().err, "it may have been the latest"


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"name": "one"}', '{"unknown": 1}', "\ud800", "null"],
    ids=["empty", "half", "list", "no keys", "too few", "another's", "not UTF-8", "null"],
)
def test_a_damaged_record_is_named(storage: Storage, content: str) -> None:
    path = make(storage, "one").path / "sweep.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert str(path) in refusal(lambda: storage.find("one"))


def test_of_a_damaged_record_the_others_are_not_kept(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    make(storage, "one", "2026-11-23T09:15:00+00:00")
    damaged = make(storage, "two", "2026-11-23T09:16:00+00:00").path / "sweep.json"
    damaged.write_text("{")
    told: list[str] = []
    assert [folder.path.name for folder in storage.sweeps(told.append)] == ["one"]
    assert [str(damaged) in line for line in told] == [True]
    assert storage.find("one").path.name == "one"
    assert capsys.readouterr().err == ""
    assert storage.find(None).path.name == "one"
    assert str(damaged) in capsys.readouterr().err  # the latest may have been that one


def test_keys_that_a_newer_raysweep_writes_are_passed_over(storage: Storage) -> None:
    path = make(storage, "one").path / "sweep.json"
    record = storage.find("one").record()
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2, "parts": ["a"]}))
    assert storage.find("one").record() == record


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "-a", ".a", "a b", "ä", "a" * 65, "tracker", "a\n"]
)
def test_a_name_that_cannot_be_a_folder_and_an_alias_is_refused(
    storage: Storage, name: str
) -> None:
    assert refusal(lambda: storage.check(name)).startswith("--name")
    assert not storage.root.exists()


def test_a_name_that_is_taken_is_refused(storage: Storage) -> None:
    make(storage, "one")
    assert "choose another name, or, if it is a sweep, resume it" in refusal(
        lambda: storage.check("one")
    )
    storage.check("two")
    storage.check(None)


def test_scratch_is_what_a_driver_left_half_written_and_nobody_elses(storage: Storage) -> None:
    folder = make(storage, "one")
    for name in (".best.0123456789ab", "tune", "checkpoints", ".best.notes"):
        (folder.path / name).mkdir()
        (folder.path / name / "a file").touch()
    for name in (".result.json.17", ".result.json.old"):
        (folder.path / name).touch()
    folder.remove_scratch()
    left = {path.name for path in folder.path.iterdir()}
    users = {".best.notes", ".result.json.old"}
    assert left == {*users, "checkpoints", "config.yaml", "sweep.json"}
    folder.write_result({"sweep": "one"})
    folder.remove_scratch()
    assert not folder.checkpoints.exists(), "it has ended"


@pytest.mark.parametrize(
    "what",
    [
        "MNIST",
        "digits",
        "My first sweep",
        "a/b",
        "../up",
        "Größe: 3",
        "…",
        "x" * 300,
        "--",
        "tracker",
    ],
)
def test_a_made_up_name_is_a_name_whatever_the_sweep_is_called(storage: Storage, what: str) -> None:
    name = new_sweep_name(what)
    storage.check(name)
    make(storage, name)
    assert storage.find(name).path.parent == storage.root
    check_alias(f"best-{name}")
    assert name != new_sweep_name(what)


def test_a_made_up_name_says_what_it_is() -> None:
    assert new_sweep_name("FashionMNIST").startswith("fashionmnist-20")
    assert new_sweep_name("My first sweep!").startswith("my-first-sweep-20")


def test_checking_leaves_nothing_behind(storage: Storage, tmp_path: Path) -> None:
    storage.check("one")
    Storage(tmp_path / "deeper" / "down").check(None)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("below", ["", "deeper", "deeper/down"])
def test_a_file_in_the_way_is_named(tmp_path: Path, below: str) -> None:
    file = tmp_path / "a file"
    file.write_text("mine")
    message = refusal(lambda: Storage(file / below).check("one"))
    assert f"{file} is a file, not a folder" in message
    assert file.read_text() == "mine"


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    assert "File name too long" in refusal(lambda: Storage(tmp_path / ("x" * 300)).check(None))


CHECK = """
import os, sys
from pathlib import Path
from raysweep.errors import UserError
from raysweep.storage.storage import Storage
if os.getuid() == 0:  # root may write everywhere; imported before, since others may not read it all
    os.setgid(65534)
    os.setuid(65534)
try:
    Storage(Path(sys.argv[1])).check("one")
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("mode", [0o555, 0o000], ids=["read-only", "closed"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_folder_without_permission_is_named(mode: int, below: str) -> None:
    with tempfile.TemporaryDirectory() as home:  # pytest's own folders are closed to others
        Path(home).chmod(0o755)
        locked = Path(home) / "locked"
        locked.mkdir()
        locked.chmod(mode)
        answer = subprocess.run(
            [sys.executable, "-c", CHECK, locked / below],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            cwd="/",
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        locked.chmod(0o755)
        assert everything_in(locked) == []
    assert answer.startswith(f"--storage {locked}")
    assert "Permission denied" in answer
    assert answer.count("\n") == 1


@pytest.mark.parametrize("uri", ["s3://bucket/prefix", "gs://bucket"])
def test_a_uri_is_not_taken_for_a_folder(uri: str) -> None:
    with pytest.raises(UserError, match="but a folder on the driver's machine is needed"):
        Storage(Path(uri))
