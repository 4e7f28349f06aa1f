"""What a program says is sent to W&B later: what must hold until then, and where that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from raysweep.tracking import ArtifactDraft, RunRecord, RunSpec
from raysweep.tracking.endpoint.uploads import receive
from raysweep.tracking.mirror import program, sender
from raysweep.tracking.mirror.program import ProgramTracker
from raysweep.tracking.programs import OUTPUT, SHOWN
from raysweep.tracking.store import Row
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker
from raysweep.trials.program.once import earlier

from wandb_server import WandbServer
from wandb_server.routes import Request
from wandb_server.server import let_pass

Project = Callable[[], ProgramTracker]


@pytest.fixture
def project(
    server: WandbServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Project]:
    """Make the tracker of one process."""
    name = request.node.name.replace("_", "-")
    made: list[ProgramTracker] = []

    def make() -> ProgramTracker:
        here = TrackioTracker(TrackioStore(tmp_path / "store", name))
        made.append(ProgramTracker(here, WandbTracker(name)))
        return made[-1]

    yield make
    server.intercept = let_pass
    for tracker in made:
        tracker.close()


def spec_of(name: str) -> RunSpec:
    return RunSpec(name, name, "train", "sweep", attributes={SHOWN: {}})


def draft_of(folder: Path, content: str) -> ArtifactDraft:
    path = folder / content
    path.write_text(content)
    return ArtifactDraft("raw", "dataset", "Data", {"content": content}, {"data.txt": path})


def logged(tracker: ProgramTracker, folder: Path, name: str, content: str) -> str:
    """A run that logs a version, there too; the version here."""
    run = tracker.start_run(spec_of(name))
    version = run.log_artifact(draft_of(folder, content))
    run.finish()
    return version.ref


def test_what_fails_at_its_end_closes_a_run(project: Project, tmp_path: Path) -> None:
    tracker = project()
    run = tracker.start_run(spec_of("one"))
    tracker.store.log_rows("one", [Row("1", 0, {"loss": 1.0})])
    printed = receive(tracker.store, BytesIO(b"printed"), 7, tmp_path).at(OUTPUT)
    tracker.here.store.add_files("one", [printed])
    tracker.sender.drain()
    for blob in (each for each in (tmp_path / "store").rglob("*") if each.is_file()):
        if blob.read_bytes() == b"printed":
            blob.chmod(0o600)
            blob.write_bytes(b"damaged")
    run.finish()
    assert tracker.there.run("one").state == "failed", "it is not shown as running"
    assert tracker.here.run("one").url is None


def test_an_alias_waits_for_a_version_that_another_worker_sends(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine, others = project(), project()
    run = others.here.start_run(spec_of("other"))  # it is here, and not yet there
    version = run.log_artifact(draft_of(tmp_path, "a"))
    mine.store.set_alias(version.ref, "good")
    others.sender.log("other", version)
    others.sender.drain()
    mine.sender.drain()
    assert "good" in mine.there.artifact("raw:v0").aliases
    monkeypatch.setattr(sender, "_ANOTHERS_UPLOAD_S", 0.0)
    never = run.log_artifact(draft_of(tmp_path, "b"))
    mine.store.set_alias(never.ref, "better")
    mine.sender.drain()
    assert "alias better of raw:v1 is kept here only" in capsys.readouterr().out


def test_a_name_means_what_it_will_mean_when_all_is_sent(
    server: WandbServer, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = project()
    first, second = (logged(tracker, tmp_path, each, each) for each in ("a", "b"))
    tracker.store.set_alias(first, "good")
    tracker.sender.drain()
    assert tracker.store.meant("raw:good") == first
    sent = threading.Event()

    def late(request: Request, act: Callable[[], bytes]) -> bytes | None:
        if request.operation in ("AddAliases", "UpdateArtifact"):
            assert sent.wait(60)
        return act()

    server.intercept = late
    monkeypatch.setattr(program, "_PATIENCE_S", 0.2)
    tracker.store.set_alias(second, "good")
    try:
        assert tracker.store.meant("raw:good") == second
    finally:
        sent.set()


def test_a_colleagues_newer_version_is_what_a_name_means(project: Project, tmp_path: Path) -> None:
    tracker = project()
    ref = logged(tracker, tmp_path, "a", "a")
    note = {"fingerprint": "f", "used": {"raw:latest": ref}, "logged": [ref], "aliases": {}}

    def found() -> bool:
        ran = RunRecord("r", "r", "", "", "finished", {}, {}, (), (), (), None)
        ran = RunRecord(**{**ran.__dict__, "attributes": {earlier.NOTE: note}})
        return earlier.find(earlier.kept_in(tracker), [ran], "f") is not None

    assert found()
    theirs = tracker.there.start_run(RunSpec("theirs", "theirs", "load", "others"))
    theirs.log_artifact(draft_of(tmp_path, "theirs"))
    assert not found()
    assert tracker.here.artifact("raw:latest").ref == ref, "to ask copies nothing"
    note["used"] = {"raw:v0": ref}
    assert found()
    theirs.finish()


def test_a_run_that_begins_anew_says_whose_rows_w_and_b_has(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for attempt, after in enumerate((None, -1)):
        tracker = project()
        run = tracker.start_run(spec_of("again"), after=after)
        rows = [Row(f"{attempt}:{step}", step, {"loss": attempt}) for step in range(3)]
        tracker.store.log_rows("again", rows)
        run.finish()
        said = capsys.readouterr().out
        assert ("run again up to step 2 from an attempt that was cut short" in said) is bool(
            attempt
        )
