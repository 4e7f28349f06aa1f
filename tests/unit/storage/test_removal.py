"""Removing sweeps: what only they need goes, what others need stays, and nothing dangles."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from raysweep.errors import ArtifactDropped, ArtifactNotFound, UserError
from raysweep.storage.claim import claim, release
from raysweep.storage.open_storage import open_storage, read_storage
from raysweep.storage.removal import bury, carry_out, plan_removal
from raysweep.storage.storage import Storage
from raysweep.tracking import RunSpec
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.store import Row

from bucket_workshop import HURRIED
from kept_sweeps import (
    PROJECT,
    assert_whole,
    blobs_on_disk,
    keep,
    lineage_of,
    log,
    models_of,
    tracker_of,
)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "it's ours")


def remove(storage: Storage, *names: str, force: bool = False) -> dict[str, object]:
    plan = plan_removal(storage, names, force=force, finish=True)
    return carry_out(plan).to_json(removed=True)


def test_a_lone_sweep_leaves_nothing(storage: Storage) -> None:
    keep(storage, "mine", trials=3)
    before = sum(path.stat().st_size for path in storage.root.glob("tracker/artifacts/**/*"))
    plan = plan_removal(storage, ["mine"])
    assert plan.bytes > 3 * 2000
    remove(storage, "mine")
    assert before > 0
    assert not (storage.root / "mine").exists()
    assert blobs_on_disk(storage) == set()
    assert tracker_of(storage).runs() == []
    assert_whole(storage, sweeps=0)


def test_the_plan_changes_nothing_and_says_how_much(storage: Storage) -> None:
    keep(storage, "mine")
    files = {
        p: p.read_bytes() for p in storage.root.rglob("*") if p.is_file() and ".db" not in p.name
    }
    plan = plan_removal(storage, ["mine"])
    assert {p: p.read_bytes() for p in files} == files
    models = [sum(v for v in t.blobs.values()) for t in plan.taken.values()]
    assert models[0] == sum(f.stat().st_size for f in files if f.name in blobs_on_disk(storage))
    folder = sum(p.stat().st_size for p in (storage.root / "mine").rglob("*") if p.is_file())
    assert plan.going[0].folder_bytes == folder


def test_what_another_sweep_needs_stays_with_its_lineage(storage: Storage) -> None:
    keep(storage, "first")
    other = keep(storage, "other")
    model = models_of(storage, other)[0]
    before = lineage_of(storage, model)
    found = remove(storage, "first")
    assert found["stay"] == {"ready:v0": ["other"], "raw:v0": ["other"]}
    assert lineage_of(storage, model) == before
    assert tracker_of(storage).artifact("raw:v0").producer in {
        r.id for r in tracker_of(storage).runs()
    }
    assert [run.job_type for run in tracker_of(storage).runs("first")] == ["stage", "stage"]
    assert_whole(storage, sweeps=1)


def test_what_a_removed_sweep_left_goes_with_the_last_that_needs_it(storage: Storage) -> None:
    for name in ("first", "second", "third"):
        keep(storage, name)
    remove(storage, "first")
    remove(storage, "second")
    assert tracker_of(storage).artifact("ready:v0")
    remove(storage, "third")
    assert tracker_of(storage).runs() == []
    assert_whole(storage, sweeps=0)


def test_several_at_once_hold_nothing_for_each_other(storage: Storage) -> None:
    keep(storage, "try-1")
    keep(storage, "try-2")
    keep(storage, "else", data="other data")
    found = remove(storage, "try-*")
    assert found["stay"] == {}
    assert_whole(storage, sweeps=1)
    assert {run.group for run in tracker_of(storage).runs()} == {"else"}


def test_best_falls_back_to_the_latest_other_winner_that_had_it(storage: Storage) -> None:
    first = keep(storage, "first", created="2026-01-01T00:00:00+00:00")
    keep(storage, "unpromoted", promoted=False, created="2026-01-02T00:00:00+00:00")
    keep(storage, "last", created="2026-01-03T00:00:00+00:00")
    winner = models_of(storage, first)[-1]
    found = remove(storage, "last")
    assert found["aliases"] == {
        "trained-model:latest": "trained-model:v3",
        "trained-model:best": winner,
    }
    tracker = tracker_of(storage)
    assert tracker.artifact("trained-model:best").ref == winner
    assert tracker.artifact("trained-model:latest").ref == "trained-model:v3"
    with pytest.raises(ArtifactNotFound):
        tracker.artifact("trained-model:best-last")
    assert remove(storage, "first")["aliases"] == {"trained-model:best": None}
    with pytest.raises(ArtifactNotFound, match="trained-model has 2 versions, v2 to v3"):
        tracker_of(storage).artifact("trained-model:best")


def test_aliases_of_others_do_not_move(storage: Storage) -> None:
    keep(storage, "first")
    other = keep(storage, "other")
    assert remove(storage, "first")["aliases"] == {}
    tracker = tracker_of(storage)
    for alias in ("best", "best-other", "latest"):
        assert tracker.artifact(f"trained-model:{alias}").ref == models_of(storage, other)[-1]


def test_no_number_comes_again(storage: Storage) -> None:
    keep(storage, "first", trials=2)
    remove(storage, "first")
    again = keep(storage, "second", trials=1)
    assert models_of(storage, again) == ["trained-model:v2"]
    assert tracker_of(storage).artifact("raw:latest").ref == "raw:v1"
    keep(storage, "third", trials=2)
    remove(storage, "third")
    last = keep(storage, "fourth", trials=1)
    assert models_of(storage, last) == ["trained-model:v5"]


def test_a_running_sweep_is_refused(storage: Storage) -> None:
    keep(storage, "mine")
    lock = claim(storage.folder("mine"))
    with pytest.raises(UserError, match="mine: is still running"):
        plan_removal(storage, ["mine"])
    release(lock)
    remove(storage, "mine")


def test_one_that_began_to_run_since_is_refused_too(storage: Storage) -> None:
    keep(storage, "mine")
    plan = plan_removal(storage, ["mine"])
    lock = claim(storage.folder("mine"))
    with pytest.raises(UserError, match="mine: is still running"):
        carry_out(plan)
    release(lock)
    assert storage.find("mine")
    assert_whole(storage, sweeps=1)


def test_force_drops_the_bytes_of_what_others_use_and_keeps_the_record(
    storage: Storage, tmp_path: Path
) -> None:
    keep(storage, "first")
    other = keep(storage, "other")
    model = models_of(storage, other)[0]
    before = lineage_of(storage, model)
    assert remove(storage, "first", force=True)["dropped"] == ["raw:v0", "ready:v0"]
    assert lineage_of(storage, model) == before
    tracker = tracker_of(storage)
    with pytest.raises(
        ArtifactDropped, match=r"ready:v0: its bytes were dropped by remove --force"
    ):
        tracker.download("ready:v0", tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert_whole(storage, sweeps=1)


def test_bytes_that_were_dropped_and_are_logged_again_are_there(storage: Storage) -> None:
    keep(storage, "first")
    keep(storage, "other")
    remove(storage, "first", force=True)
    tracker = tracker_of(storage)
    assert tracker.find_artifact("raw", "data") is None
    run = tracker.start_run(SweepIdentity("new", "abcd").run("raw", "stage", {}))
    made = log(run, storage, "raw", "dataset", {"fingerprint": "data"}, b"raw data" * 50)
    assert (made.ref, made.dropped) == ("raw:v0", None)
    assert tracker.find_artifact("raw", "data") == made
    assert_whole(storage)


def test_an_alias_of_ones_own_holds_a_version(storage: Storage) -> None:
    mine = keep(storage, "mine")
    model = models_of(storage, mine)[0]
    tracker_of(storage).set_alias(model, "production")
    assert remove(storage, "mine")["stay"] == {"raw:v0": [], "ready:v0": [], model: []}
    assert tracker_of(storage).artifact("trained-model:production").ref == model
    assert {node["name"] for node in lineage_of(storage, model)["nodes"]} >= {"ready", "raw"}
    assert_whole(storage, sweeps=0)


def test_a_version_that_only_a_journal_names_stays(storage: Storage) -> None:
    """A sweep that was stopped before its first trial has used nothing yet."""
    keep(storage, "first")
    keep(storage, "stopped", trials=0, ended=False)
    found = remove(storage, "first")
    assert set(found["stay"]) == {"raw:v0", "ready:v0"}  # type: ignore[call-overload]
    assert_whole(storage, sweeps=1)


def test_a_copied_folder_goes_alone(storage: Storage) -> None:
    mine = keep(storage, "mine")
    shutil.copytree(storage.root / "mine", storage.root / "copy")
    remove(storage, "copy")
    assert len(models_of(storage, mine)) == 2
    assert tracker_of(storage).artifact("trained-model:best-mine")
    assert_whole(storage, sweeps=1)


def test_runs_of_a_sweep_that_cannot_be_read_stay(storage: Storage) -> None:
    keep(storage, "first")
    keep(storage, "second")
    (storage.root / "first" / "sweep.json").write_text("{")
    remove(storage, "second")
    assert len(tracker_of(storage).runs("first")) == 5
    assert_whole(storage, sweeps=1)


def test_names(storage: Storage) -> None:
    for name in ("try-a", "try-b", "mine"):
        keep(storage, name, trials=1)
    with pytest.raises(UserError, match=r"try: 2 sweeps of .* begin so \(try-a, try-b\)"):
        plan_removal(storage, ["try"])
    with pytest.raises(UserError, match=r"no sweep named mien in .*nearest: mine"):
        plan_removal(storage, ["mine", "mien"])
    for wrong in ("", "no*", "../mine", "/tmp"):
        with pytest.raises(UserError, match="no sweep named"):
            plan_removal(storage, [wrong])
    plan = plan_removal(storage, ["mi", "try-*", "try-a"])
    assert [each.name for each in plan.going] == ["mine", "try-a", "try-b"]


def test_links_are_never_followed(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "thesis.txt").write_text("three years")
    mine = keep(storage, "mine")
    (storage.root / "mine" / "best" / "link").symlink_to(outside)
    (storage.root / "mine" / "elsewhere").symlink_to(outside, target_is_directory=True)
    media = storage.tracker / "media" / "kept" / f"{mine.id}-report"
    (media / "more").symlink_to(outside, target_is_directory=True)
    remove(storage, "mine")
    assert (outside / "thesis.txt").read_text() == "three years"
    assert_whole(storage, sweeps=0)


def test_a_sweep_that_is_a_link_is_refused(storage: Storage, tmp_path: Path) -> None:
    keep(storage, "mine")
    keep(Storage(tmp_path / "theirs"), "their")
    (storage.root / "alias").symlink_to(storage.root / "mine", target_is_directory=True)
    (storage.root / "away").symlink_to(tmp_path / "theirs" / "their", target_is_directory=True)
    with pytest.raises(UserError, match="alias: is a link to"):
        plan_removal(storage, ["alias"])
    with pytest.raises(UserError, match="leads out of it by a link"):
        plan_removal(storage, ["away"])
    assert storage.find("mine")
    assert (tmp_path / "theirs" / "their" / "sweep.json").exists()


def test_a_link_in_place_of_a_runs_pictures_goes_alone(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.mkdir()
    mine = keep(storage, "mine")
    report = storage.tracker / "media" / "kept" / f"{mine.id}-report"
    report.rename(outside / "pictures")
    report.symlink_to(outside, target_is_directory=True)
    remove(storage, "mine")
    assert (outside / "pictures").is_dir()
    assert not report.is_symlink()
    assert_whole(storage, sweeps=0)


def test_a_run_whose_id_leads_out_changes_nothing(storage: Storage, tmp_path: Path) -> None:
    """The database may be another's."""
    outside = tmp_path / "precious"
    outside.mkdir()
    mine = keep(storage, "mine")
    wicked = f"{mine.id}-/../../../../precious"
    with closing(sqlite3.connect(storage.tracker / "kept.db")) as db, db:
        for table in ("configs", "metrics", "run_artifact_links"):
            db.execute(
                f"UPDATE {table} SET run_id = ? WHERE run_id = ?", (wicked, f"{mine.id}-report")
            )
    with pytest.raises(UserError, match="would lead out"):
        remove(storage, "mine")
    assert outside.is_dir()
    assert len(tracker_of(storage).runs("mine")) == 5


def test_staging_meanwhile(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process removes a sweep with the same bytes between staging and committing."""
    keep(storage, "mine")
    tracker = tracker_of(storage)
    run = tracker.start_run(SweepIdentity("new", "abcd").run("raw", "stage", {}))
    store, calls = tracker.store, []
    commit = store.commit_artifact

    def removed_before(*arguments: object) -> object:
        if not calls:
            remove(storage, "mine")
        calls.append(1)
        return commit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "commit_artifact", removed_before)
    made = log(run, storage, "raw", "dataset", {"fingerprint": "data"}, b"raw data" * 50)
    assert len(calls) == 2
    assert made.ref == "raw:v1"
    assert_whole(storage, sweeps=0)


def test_the_database_becomes_smaller(storage: Storage) -> None:
    mine = keep(storage, "mine", trials=1)
    store = tracker_of(storage).store
    run = f"{mine.id}-trial-0000"
    rows = [Row(f"{run}:{i}", i, {f"metric/{k}": i / 7 for k in range(20)}) for i in range(6000)]
    store.log_rows(run, rows)
    file = storage.tracker / "kept.db"
    before = file.stat().st_size
    remove(storage, "mine")
    assert file.stat().st_size < before / 2


def test_reused_stages_of_another_project_are_not_touched(storage: Storage) -> None:
    keep(storage, "mine")
    keep(storage, "mine-too", project="another")
    remove(storage, "mine")
    assert_whole(storage, "another", sweeps=1)
    assert len(tracker_of(storage, "another").runs()) == 5


def test_a_stage_that_both_made_keeps_the_others_producer(storage: Storage) -> None:
    first = keep(storage, "first")
    other = keep(storage, "other")
    tracker = tracker_of(storage)
    run = tracker.start_run(SweepIdentity("other", other.id).run("raw-again", "stage", {}))
    log(run, storage, "raw", "dataset", {"fingerprint": "data"}, b"raw data" * 50)
    assert tracker.artifact("raw:v0").producer == f"{first.id}-raw"
    remove(storage, "first")
    assert tracker_of(storage).artifact("raw:v0").producer == f"{other.id}-raw-again"
    assert_whole(storage, sweeps=1)


def test_bytes_that_are_dropped_during_a_sweep_go_at_its_uri_too(uri: str, tmp_path: Path) -> None:
    there = tmp_path / "it's there, 100%"
    with open_storage(uri, pace=HURRIED) as storage:
        mine = keep(storage, "mine")
    before = {path.name for path in there.glob("tracker/artifacts/*/blobs/sha256/*/*")}
    with open_storage(uri, pace=HURRIED) as storage:
        storage.origin.project("kept")  # type: ignore[union-attr]
        tracker = tracker_of(storage)
        version = tracker.artifact(models_of(storage, mine)[0])
        removing = tracker.store.removing
        bury(storage, removing, only=removing.drop([version.ref], "tracking.keep: best"))
    after = {path.name for path in there.glob("tracker/artifacts/*/blobs/sha256/*/*")}
    assert before - after == {file.digest for file in version.files if file.path == "file"}
    with open_storage(uri, pace=HURRIED) as storage:
        storage.origin.project("kept")  # type: ignore[union-attr]
        removing = tracker_of(storage).store.removing
        assert len(removing.bury(keep_note=True)) == 1
        bury(storage, removing)
        assert removing.bury(keep_note=True) == []


def test_bytes_that_come_again_before_the_push_stay_at_the_uri(uri: str, tmp_path: Path) -> None:
    with open_storage(uri, pace=HURRIED) as storage:
        mine = keep(storage, "mine", trials=1)
    with open_storage(uri, pace=replace(HURRIED, push=replace(HURRIED.push, turn_s=60))) as storage:
        storage.origin.project("kept")  # type: ignore[union-attr]
        tracker = tracker_of(storage)
        removing = tracker.store.removing
        bury(storage, removing, only=removing.drop(["raw:v0"], "remove --force"))
        run = tracker.start_run(SweepIdentity("mine", mine.id).run("raw-again", "stage", {}))
        log(run, storage, "raw", "dataset", {"fingerprint": "data"}, b"raw data" * 50)
        run.finish()
    with read_storage(uri) as storage:
        storage.origin.project("kept")  # type: ignore[union-attr]
        version = tracker_of(storage).artifact("raw:v0")
        storage.origin.blobs("kept", [file.digest for file in version.files])  # type: ignore[union-attr]
        tracker_of(storage).download("raw:v0", tmp_path / "raw")
    assert (tmp_path / "raw" / "file").read_bytes() == b"raw data" * 50


def test_what_exec_has_recorded_does_not_go_with_a_sweep_that_used_it(storage: Storage) -> None:
    storage.root.mkdir(parents=True)
    run = tracker_of(storage).start_run(RunSpec("data", "data", "", "", attributes={"exec": True}))
    log(run, storage, "raw", "dataset", {"fingerprint": "data"}, b"collected in a year")
    run.finish()
    keep(storage, "mine")
    assert "ready:v0" in remove(storage, "mine")["versions"]  # type: ignore[operator]
    assert [run.id for run in tracker_of(storage).runs()] == ["data"]
    assert tracker_of(storage).artifact("raw:v0").producer == "data"
    assert_whole(storage, sweeps=0)
    assert remove(storage, "data")["versions"] == ["raw:v0"]
    assert blobs_on_disk(storage) == set()


def test_how_a_sweeps_name_begins_comes_before_what_exec_has_recorded(storage: Storage) -> None:
    keep(storage, "kept-sweep")
    run = tracker_of(storage).start_run(RunSpec("r", "r", "", "", attributes={"exec": True}))
    run.finish()
    found = remove(storage, PROJECT)
    assert (found["recorded"], len(found["sweeps"])) == ([], 1)  # type: ignore[arg-type]
    assert remove(storage, PROJECT)["recorded"] == [f"project {PROJECT}"]


def test_a_run_of_exec_that_has_not_ended_stays_unless_it_is_forced(storage: Storage) -> None:
    storage.root.mkdir(parents=True)
    tracker_of(storage).start_run(RunSpec("dead", "dead", "", "", attributes={"exec": True}))
    with pytest.raises(UserError, match="run dead: dead has not ended; wait until it does, or"):
        remove(storage, "dead")
    assert remove(storage, "dead", force=True)["runs"] == ["dead"]
