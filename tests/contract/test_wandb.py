"""The W&B adapter without a server; the contract suite tests the rest with one."""

from __future__ import annotations

import pickle

import pytest
from wandb.errors import CommError

from raysweep.errors import ArtifactNotFound, ConfigError, TrackingError
from raysweep.tracking import RunSpec
from raysweep.tracking.wandb.project import Project
from raysweep.tracking.wandb.tracker import WandbTracker

import wandb_server

KEY = "0123456789" * 4


def test_a_pickled_tracker_holds_names_and_no_key(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    data = pickle.dumps(WandbTracker("artifacts-example", "team"))
    assert KEY.encode() not in data
    copy = pickle.loads(data)
    assert (copy.backend, copy.project) == ("wandb", "artifacts-example")
    assert copy._project.entity == "team"
    assert copy._project.path("mnist-raw:v0") == "team/artifacts-example/mnist-raw:v0"


def test_names_are_checked_before_the_server_is_asked():
    with pytest.raises(ConfigError):
        WandbTracker("no.project/name")
    with pytest.raises(ArtifactNotFound, match="not a reference"):
        WandbTracker("p", "team").artifact("a b")


@pytest.mark.parametrize("error", [CommError, ValueError, TimeoutError, ConnectionError])
def test_an_error_of_the_client_is_one_line_without_the_key(monkeypatch, error):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with (
        pytest.raises(TrackingError) as caught,
        Project("artifacts-example", "team").explained("read the run"),
    ):
        raise error(f"HTTP 500:\n  api:{KEY}@host\n")
    message = str(caught.value)
    assert "artifacts-example: cannot read the run: HTTP 500: api:***@host;" in message
    assert "\n" not in message


def test_what_a_run_prints_is_on_its_page():
    with wandb_server.lent() as server:
        run = WandbTracker("console").start_run(RunSpec("talks", "trial-0000", "train", "mine"))
        run.log_output("epoch 0\nTraceback (most recent call last):\n")
        run.log_output("")
        run.finish("failed", "KeyError")
        sent = [each.detail["files"] for each in server.requests if each.operation == "file_stream"]
        lines = [line for files in sent for line in files.get("output.log", {}).get("content", [])]
    assert [line.partition(" ")[2] for line in lines] == [
        "epoch 0",
        "Traceback (most recent call last):",
    ]
