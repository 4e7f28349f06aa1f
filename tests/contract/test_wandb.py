"""The W&B adapter without a server; the contract suite tests the rest with one."""

from __future__ import annotations

import pickle

import pytest
from wandb.errors import CommError

from raysweep.errors import ArtifactNotFound, ConfigError, TrackingError
from raysweep.tracking.wandb.project import Project
from raysweep.tracking.wandb.tracker import WandbTracker

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
