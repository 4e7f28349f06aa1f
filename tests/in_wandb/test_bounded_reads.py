"""What W&B's client would ask for again and again, for 20 minutes, with a trial waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raysweep.errors import TrackingError
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.wandb import read as wandb_read
from raysweep.tracking.wandb.tracker import WandbTracker

from wandb_server import WandbServer
from wandb_server.routes import Request


def test_files_that_do_not_come_are_waited_for_in_vain_for_seconds(
    server: WandbServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = WandbTracker("no-files-come")
    run = there.start_run(RunSpec("one", "one", "train", "sweep"))
    (tmp_path / "model.pth").write_text("weights")
    files = {"model.pth": tmp_path / "model.pth"}
    version = run.log_artifact(ArtifactDraft("trained-model", "model", "A model", {}, files))
    run.finish()

    def cut(request: Request, act: Callable[[], bytes]) -> bytes | None:
        return None if request.operation == "download" else act()

    server.intercept = cut
    monkeypatch.setattr(wandb_read, "MANIFEST_TIMEOUT_S", 1.0)
    monkeypatch.setattr(wandb_read, "transfer_timeout_s", lambda size: 1.0)
    began = time.monotonic()
    with pytest.raises(TrackingError, match=r"read the manifest of trained-model:v0: no answer in"):
        there.artifact(version.ref)
    with pytest.raises(TrackingError, match=r"download trained-model:v0: no answer in 1 s"):
        there.download(version.ref, tmp_path / "model")
    assert time.monotonic() - began < 30
    assert not (tmp_path / "model").exists()
