"""How long W&B's client is let try."""

from __future__ import annotations

import sys
import time

import pytest
import requests
import wandb

from raysweep.tracking import wandb_read


def test_a_server_that_is_gone_is_asked_for_a_manifest_for_seconds() -> None:
    """It was 20 minutes, if the server was lost just before a trial asked what it uses."""
    wandb_read._bound_manifest_requests()
    client = sys.modules[wandb.Artifact.__module__]
    began = time.monotonic()
    with client.make_http_session() as session, pytest.raises(requests.ConnectionError):
        session.get("http://127.0.0.1:9/manifest")  # the discard port: nobody listens
    assert time.monotonic() - began < 30
