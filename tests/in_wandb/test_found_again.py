"""A sweep's process, W&B that refuses, goes away and comes back, and the unmodified client."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.mirror.connection import REFUSALS, Connection, Pace
from raysweep.tracking.mirror.tracker import MirroredTracker
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker
from raysweep.tracking.wandb.tracker import WandbTracker

from wandb_server import WandbServer
from wandb_server.errors import Refusal
from wandb_server.routes import Request
from wandb_server.server import let_pass

QUICK = Pace(first_s=0.2, longest_s=1, again_s=0.2)

MakeTracker = Callable[[str], MirroredTracker]


@pytest.fixture
def make_tracker(server: WandbServer, tmp_path: Path) -> Iterator[MakeTracker]:
    made: list[MirroredTracker] = []

    def make(project: str) -> MirroredTracker:
        here = TrackioTracker(TrackioStore(tmp_path / "store", project))
        made.append(MirroredTracker(here, WandbTracker(project), Connection(pace=QUICK)))
        return made[-1]

    yield make
    for tracker in made:
        tracker.close()


def trial(tracker: MirroredTracker, number: int, draft: ArtifactDraft) -> tuple[str | None, str]:
    """Run a whole trial; where W&B shows it, if it has all of it, and its model's version."""
    name = f"trial-{number}"
    run = tracker.start_run(RunSpec(name, name, "train", "sweep"))
    run.log({"loss": 1 / (number + 1)}, 1)
    run.flush()
    version = run.log_artifact(draft)
    run.finish()
    return tracker.run(name).url, version.version


def draft_of(folder: Path, content: str, name: str = "trained-model") -> ArtifactDraft:
    path = folder / content
    path.write_text(content)
    return ArtifactDraft(name, "model", "A model", {"content": content}, {"model.pth": path})


def test_a_server_that_comes_back_gets_the_later_runs(
    server: WandbServer, make_tracker: MakeTracker, tmp_path: Path
) -> None:
    tracker = make_tracker("found-again")
    assert trial(tracker, 0, draft_of(tmp_path, "a"))[1] == "v0"
    with server.away():
        url, version = trial(tracker, 1, draft_of(tmp_path, "b"))
        assert (url, version) == (None, "local-1")
        assert tracker.connection.lost is not None
        began = time.monotonic()
        for number in range(2, 12):
            trial(tracker, number, draft_of(tmp_path, "b"))
        assert time.monotonic() - began < 5, "nobody waits for a server that is known to be gone"
    assert is_found(tracker)
    url, version = trial(tracker, 12, draft_of(tmp_path, "c"))
    assert url is not None
    assert version == "v1"


def is_found(tracker: MirroredTracker, timeout_s: float = 30) -> bool:
    end = time.monotonic() + timeout_s
    while tracker.connection.lost is not None and time.monotonic() < end:
        time.sleep(0.05)
    return tracker.connection.lost is None


def test_what_the_client_refuses_costs_that_run_alone(
    server: WandbServer, make_tracker: MakeTracker, tmp_path: Path
) -> None:
    """A colleague keeps data under the name: the client lets no model be logged there."""
    tracker = make_tracker("refused-by-the-client")
    others = tracker.there.start_run(RunSpec("others", "others", "load", "others"))
    data = draft_of(tmp_path, "data", "taken")
    others.log_artifact(ArtifactDraft("taken", "dataset", "Data", {}, data.files))
    others.finish()
    url, version = trial(tracker, 0, draft_of(tmp_path, "a", "taken"))
    assert (url, version) == (None, "local-0")
    assert tracker.connection.lost is None
    assert tracker.there.run("trial-0").state == "failed", "it is not shown as running"
    url, version = trial(tracker, 1, draft_of(tmp_path, "b"))
    assert url is not None
    assert version == "v0"


def test_a_server_that_refuses_everything_is_left_alone(
    server: WandbServer, make_tracker: MakeTracker, tmp_path: Path
) -> None:
    tracker = make_tracker("refuses-everything")

    def refuse(request: Request, act: Callable[[], bytes]) -> bytes | None:
        raise Refusal("maintenance", status=403)

    server.intercept = refuse
    for number in range(REFUSALS):
        assert trial(tracker, number, draft_of(tmp_path, "a"))[0] is None
    assert tracker.connection.lost is not None
    server.intercept = let_pass
    assert is_found(tracker)
    assert trial(tracker, 9, draft_of(tmp_path, "b"))[0] is not None


def test_another_process_need_not_find_out_again(make_tracker: MakeTracker) -> None:
    tracker = make_tracker("told")
    tracker.begin_unreachable("the network is down")
    other: MirroredTracker = pickle.loads(pickle.dumps(tracker))
    assert other.connection.lost == "the network is down"
    other.close()


def test_an_alias_that_is_refused_is_named_by_its_run(
    server: WandbServer, make_tracker: MakeTracker, tmp_path: Path
) -> None:
    tracker = make_tracker("alias-refused")
    assert trial(tracker, 0, draft_of(tmp_path, "a"))[0] is not None

    def refuse(request: Request, act: Callable[[], bytes]) -> bytes | None:
        if request.operation in ("AddAliases", "UpdateArtifact"):
            raise Refusal("not for you", status=403)
        return act()

    server.intercept = refuse
    tracker.set_alias("trained-model:v0", "best")
    server.intercept = let_pass
    assert "best" in tracker.here.artifact("trained-model:v0").aliases
    assert tracker.run("trial-0").url is None
