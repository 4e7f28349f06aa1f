"""Faults: as the network shows them, and what the unmodified client makes of them."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
import urllib.error

import pytest

from raysweep.errors import TrackingError
from raysweep.tracking.wandb.tracker import WandbTracker

from wandb_server.faults import EVERY, Faults, cut, hang, status
from wandb_server.raw import UPSERT

PROBE = "query Probe { viewer { id } }"  # a name that the real client does not use meanwhile

SOON = {
    # By default the client waits for 2 s before it asks again; it takes whole seconds alone.
    f"WANDB__{kind}_RETRY_WAIT_MIN_SECONDS": "1"
    for kind in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
}
RUN = """
import sys
from pathlib import Path
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.wandb.tracker import WandbTracker
tracker = WandbTracker(sys.argv[1])
file = Path(sys.argv[2])
file.write_bytes(b"model")
run = tracker.start_run(RunSpec("t1", "trial 1", "train", "sweep", {"lr": 0.1}))
for step in range(3):
    run.log({"loss": 1.0 / (step + 1)}, step)
run.log_artifact(ArtifactDraft("model", "model", "", {"trial": 1}, {"m": file}))
run.use_artifact("model")
tracker.set_alias("model", "best")
run.finish()
"""


def test_a_status_and_when_to_come_again(raw, server):
    server.inject("Probe", status(500))
    server.inject("Probe", status(429, retry_after_s=7))
    for code, retry_after in ((500, None), (429, "7")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            raw.ask(PROBE)
        assert (caught.value.code, caught.value.headers["Retry-After"]) == (code, retry_after)
        caught.value.close()
    assert raw.ask(PROBE)["viewer"]["id"]


def test_a_connection_that_is_cut_before_or_after(raw, server, project):
    def open_run(name: str) -> None:
        raw.ask(UPSERT, name=name, project=project, entity=server.entity)

    server.inject("UpsertBucket", cut())
    server.inject("UpsertBucket", cut(after=True))
    for name in ("before", "after"):
        with pytest.raises(http.client.RemoteDisconnected):
            open_run(name)
    assert list(server.state.projects[project].runs_by_name) == ["run", "after"]


def test_a_hang(raw, server):
    server.inject("Probe", hang(0.3))
    started = time.monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        raw.ask(PROBE)
    assert time.monotonic() - started >= 0.3


def test_a_fault_is_for_its_operation_or_for_any_as_often_as_asked():
    faults = Faults()
    faults.add("upload", cut(), times=2)
    faults.add(EVERY, status(500), times=1)
    taken = [faults.take(name) for name in ("download", "upload", "download", "upload", "upload")]
    assert taken == [status(500), cut(), None, cut(), None]
    assert faults.take_left() == []


def test_a_server_that_goes_and_comes_back_knows_all_it_knew(raw, server, project):
    raw.log("a", b"data")
    with server.away(), pytest.raises(urllib.error.URLError):
        raw.ask(PROBE)
    assert raw.log("a", b"more") == 1


def test_the_client_tries_again_and_nothing_is_doubled(server, project, tmp_path):
    for operation, fault in {
        "Viewer": status(500),
        "UpsertBucket": status(500),
        "CreateArtifact": cut(after=True),
        "CreateArtifactFiles": status(429, retry_after_s=1),
        "upload": cut(),
        "CommitArtifact": cut(after=True),
        "ArtifactMembershipByName": cut(),
        "UseArtifact": cut(after=True),
        "AddAliases": status(500),
        "file_stream": cut(after=True),
    }.items():
        server.inject(operation, fault)
    command = [sys.executable, "-c", RUN, project, str(tmp_path / "m")]
    subprocess.run(command, env=os.environ | SOON, check=True, timeout=120)

    tracker = WandbTracker(project)
    (run,) = tracker.runs()
    assert (run.id, run.state) == ("t1", "finished")
    assert (run.logged, run.used) == (("model:v0",), ("model:v0",))
    assert tracker.history("t1") == [{"step": s, "loss": 1.0 / (s + 1)} for s in range(3)]
    assert tracker.artifact("model:v0").aliases == ("best", "latest")
    assert len(server.state.projects[project].sequences["model"].versions) == 1


def test_no_server_is_one_line_in_time(server, project):
    started = time.monotonic()
    with server.away(), pytest.raises(TrackingError, match="check the connection") as caught:
        WandbTracker(project).artifact("mnist-raw")
    assert time.monotonic() - started < 15
    assert "\n" not in str(caught.value)


def test_a_wrong_key_is_one_line_without_the_key(server, project):
    """In a process of its own: the client keeps the key that it began with."""
    code = "import sys; from raysweep.tracking.wandb.tracker import WandbTracker as T; "
    code += "T(sys.argv[1]).artifact('mnist-raw')"
    asked = subprocess.run(
        [sys.executable, "-c", code, project],
        env=os.environ | {"WANDB_API_KEY": "0" * 40},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    last = asked.stderr.splitlines()[-1]
    assert asked.returncode == 1
    assert "TrackingError" in last
    assert "invalid API key" in last
    assert "0" * 40 not in asked.stderr
