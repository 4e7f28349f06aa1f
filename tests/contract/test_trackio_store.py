"""The embedded store beyond the contract: kills, concurrent writers, damage and retries."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from trackio import sqlite_storage
from trackio.sqlite_storage import SQLiteStorage

from raysweep.errors import ConfigError, TrackingError
from raysweep.tracking import ArtifactFile, RunSpec
from raysweep.tracking.store import Pictures, Row, Table
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

PROJECT = "artifacts-example"
SPEC = RunSpec("t1", "trial 1", "train", "sweep", {"lr": 0.1})

OPEN = """
import sys
from pathlib import Path
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.trackio.store import TrackioStore
root, name = Path(sys.argv[1]), sys.argv[2]
tracker = TrackioTracker(TrackioStore(root, "artifacts-example"))
run = tracker.start_run(RunSpec(name, name, "train", "sweep"))
"""
LOG_FOR_EVER = """
step = 0
while True:
    step += 1
    run.log({"loss": 1 / step}, step)
    print(step, flush=True)
"""
LOG_ARTIFACTS = """
for number in range(10):
    file = root / f"{name}-{number}"
    file.write_text(name)
    version = run.log_artifact(
        ArtifactDraft("trained-model", "model", "", {"run": name, "number": number}, {"m": file})
    )
    run.log({"version": int(version.version[1:])}, number)
run.finish()
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OPEN + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_loses_no_row_that_had_returned(root):
    with python(LOG_FOR_EVER, root, "t1") as process:
        for line in process.stdout:
            if int(line) == 100:
                os.kill(process.pid, signal.SIGKILL)
                break
        returned = int((["100", *process.stdout.read().split("\n")[:-1]])[-1])
    tracker = TrackioTracker(TrackioStore(root, PROJECT))
    steps = [row["step"] for row in tracker.history("t1")]
    assert returned >= 100
    assert steps[:returned] == list(range(1, returned + 1))
    assert len(steps) - returned in (0, 1)  # one may have been kept and not yet returned
    assert tracker.close_stale("sweep") == ["t1"]


def test_two_processes_may_write_at_once(root, store):
    processes = [python(LOG_ARTIFACTS, root, name) for name in ("one", "two")]
    for process in processes:
        with process:
            pass
        assert process.returncode == 0
    tracker = TrackioTracker(store)
    versions = [tracker.artifact(f"trained-model:v{number}") for number in range(20)]
    assert [v.version for v in versions if v.aliases] == ["v19"]
    assert {v.metadata["run"] for v in versions} == {"one", "two"}
    for name in ("one", "two"):
        numbers = [row["version"] for row in tracker.history(name)]
        assert len(numbers) == 10
        assert [versions[n].metadata["run"] for n in numbers] == [name] * 10
    with pytest.raises(TrackingError):
        tracker.artifact("trained-model:v20")


def test_calls_are_idempotent(store, tmp_path):
    row = Row("t1:0", 5, {"loss": 1.0}, {"p": Pictures(((b"png", "a"),)), "t": Table(("x",), ())})
    (tmp_path / "m").write_bytes(b"model")

    def everything() -> list[object]:
        store.start_run(SPEC)
        store.log_rows("t1", [row, row])
        store.update_run("t1", {"loss": 1.0}, "failed", "why")
        digest, size = store.stage_file(str(tmp_path / "m"))
        for _ in range(2):  # sent again, as its answer was lost
            store.stage_chunk("ab" * 16, 0, b"mod")
        store.stage_chunk("ab" * 16, 3, b"el")
        store.stage_commit("ab" * 16, digest)
        file = ArtifactFile("m", digest, size)
        version = store.commit_artifact("t1", "model", "model", "d", {"a": 1}, [file])
        store.use_artifact("t1", version.ref)
        store.set_alias(version.ref, "best")
        state = store.runs(), store.history("t1"), store.artifact("model"), store.lineage("model")
        return [*state, sorted(path.name for path in store.root.rglob("*") if path.is_file())]

    assert everything() == everything()
    assert store.history("t1") == [{"step": 5, "loss": 1.0}]


def test_a_run_that_begins_again_has_used_what_it_uses_then(store):
    """A sweep whose best is chosen again, with another model, reports in the same run."""
    for number in range(2):
        digest, size = store.stage_file(__file__)
        file = ArtifactFile("m", digest, size)
        store.start_run(SPEC)
        store.commit_artifact("t1", "model", "model", "d", {"number": number}, [file])
    report = replace(SPEC, id="report", name="report", job_type="report")
    for ref, after in (("model:v0", None), ("model:v1", -1)):
        store.start_run(report, after)
        store.use_artifact("report", ref)
    (again,) = store.runs(run_id="report")
    assert again.used == ("model:v1",)
    assert "run:report" not in [node.id for node in store.lineage("model:v0").nodes]
    store.start_run(report, after=0)
    assert store.runs(run_id="report")[0].used == ("model:v1",), "it goes on, with what it had"


def test_chunks_that_do_not_make_the_blob_are_refused(store):
    digest, upload = "0" * 64, "ab" * 16
    store.stage_chunk(upload, 0, b"something else")
    with pytest.raises(TrackingError, match="the 14 bytes received hash to f41f3fa"):
        store.stage_commit(upload, digest)
    with pytest.raises(TrackingError, match="send the file again"):
        store.stage_commit(upload, digest)
    with pytest.raises(TrackingError, match="not a name"):
        store.stage_chunk("../passwd", 0, b"root")
    with pytest.raises(TrackingError, match="digest"):
        store.blob_path("../../etc/passwd")


def test_stores_with_other_roots_do_not_mix(tmp_path, store):
    before = sqlite_storage.TRACKIO_DIR
    other = TrackioStore(tmp_path / "other", PROJECT)
    store.start_run(SPEC)
    assert other.runs() == []
    assert [record.id for record in store.runs()] == ["t1"]
    assert before == sqlite_storage.TRACKIO_DIR


def test_a_pickled_store_opens_the_same_files(store):
    store.start_run(SPEC)
    assert pickle.loads(pickle.dumps(store)).runs() == store.runs()


def test_opening_never_asks_the_hub(tmp_path, monkeypatch):
    def ask() -> None:
        raise AssertionError("asked the Hub")

    monkeypatch.setattr(SQLiteStorage, "_dataset_import_attempted", False)
    monkeypatch.setattr(SQLiteStorage, "load_from_dataset", staticmethod(ask))
    TrackioStore(tmp_path, PROJECT).start_run(SPEC)
    assert SQLiteStorage._dataset_import_attempted is False  # the user's own runs may still ask


def test_nothing_is_printed(store, tmp_path, capfd):
    tracker = TrackioTracker(store)
    run = tracker.start_run(SPEC)
    run.log({"loss": 1.0}, 1)
    run.finish()
    tracker.history("t1")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_database_is_one_line_that_names_it(root):
    TrackioStore(root, PROJECT).start_run(SPEC)
    database = root / f"{PROJECT}.db"
    database.write_bytes(b"this is no database" * 1000)
    for side_file in root.glob("*.db-*"):
        side_file.unlink()
    with pytest.raises(TrackingError) as caught:
        TrackioStore(root, PROJECT)
    assert str(database) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_goes_away_is_one_line_that_names_it(root, store):
    store.start_run(SPEC)
    shutil.rmtree(root)
    for call in (lambda: store.log_rows("t1", []), store.runs, lambda: store.artifact("x")):
        with pytest.raises(TrackingError) as caught:
            call()
        assert str(root) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_root_that_cannot_be_made_is_one_line_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match="writable") as caught:
        TrackioStore(tmp_path / "file" / "store", PROJECT)
    assert str(tmp_path / "file") in str(caught.value)


def test_a_lock_that_another_process_keeps_is_waited_for(root, store, monkeypatch):
    """tests/unit/tracking/test_busy.py tests the messages."""
    store.start_run(SPEC)
    monkeypatch.setattr(sqlite_storage.time, "sleep", lambda _seconds: None)  # Trackio's 10 s
    with (root / f"{PROJECT}.lock").open() as lock:

        def let_go(line):
            assert store.history("t1") == []  # reading needs no lock
            fcntl.flock(lock, fcntl.LOCK_UN)

        patient = TrackioStore(root, PROJECT, let_go)
        fcntl.flock(lock, fcntl.LOCK_EX)
        patient.log_rows("t1", [Row("t1:0", 1, {"loss": 1.0})])
    assert store.history("t1") == [{"step": 1, "loss": 1.0}]


def test_a_store_that_waits_for_its_lock_while_it_opens_leaves_no_file_open(
    root, store, monkeypatch
):
    monkeypatch.setattr(sqlite_storage.time, "sleep", lambda _seconds: None)  # Trackio's 10 s
    with (root / f"{PROJECT}.lock").open() as lock, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fcntl.flock(lock, fcntl.LOCK_EX)
        TrackioStore(root, PROJECT, lambda _line: fcntl.flock(lock, fcntl.LOCK_UN))
        gc.collect()
    assert [each for each in told if f"{PROJECT}.lock" in str(each.message)] == []


def test_a_refused_project_name_makes_no_folder(tmp_path):
    with pytest.raises(ConfigError):
        TrackioStore(tmp_path / "store", "my_artifacts")
    assert list(tmp_path.iterdir()) == []


def test_runs_of_trackios_own_sdk_are_left_alone(root, store):
    """A user may log to the same project with Trackio's own SDK."""
    store.start_run(SPEC)
    code = (
        "import sys, trackio; run = trackio.init('artifacts-example', name='mine', "
        "config={'lr': 1}, embed=False); trackio.log({'loss': 1.0}); trackio.finish()"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env=os.environ | {"TRACKIO_DIR": str(root), "HF_HUB_OFFLINE": "1"},
    )
    assert [record.id for record in store.runs()] == ["t1"]
    store.update_run("t1", {}, "finished")


@pytest.mark.parametrize("module", ["trackio", "wandb", "numpy.testing", "PIL"])
def test_importing_the_port_imports_no_tracker(module):
    code = f"import sys, raysweep.tracking; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_folder_holds_only_what_trackio_knows(store, root: Path):
    store.start_run(SPEC)
    assert {path.name.removeprefix(PROJECT) for path in root.iterdir()} <= {
        ".db",
        ".db-wal",
        ".db-shm",
        ".lock",
    }
