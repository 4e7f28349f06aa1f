"""A file is added to a run that has finished, as the page of a sweep is."""

from __future__ import annotations

from pathlib import Path

import pytest
import wandb

from raysweep.errors import TrackingError
from raysweep.tracking import RunSpec
from raysweep.tracking.wandb.tracker import WandbTracker

from wandb_server import WandbServer


def test_a_file_of_a_finished_run(server: WandbServer, api: wandb.Api, tmp_path: Path) -> None:
    tracker = WandbTracker("uploads")
    tracker.start_run(RunSpec("a-report", "report-a", "report", "a")).finish()
    page = tmp_path / "report.html"
    for text in ("<p>first</p>", "<p>second</p>"):
        page.write_text(text)
        tracker.upload("a-report", page)
    run = api.run("tester/uploads/a-report")
    with run.file("report.html").download(root=str(tmp_path / "there")) as there:
        assert there.read() == "<p>second</p>"
    assert run.state == "finished"
    with server.away(), pytest.raises(TrackingError, match="W&B project uploads: cannot "):
        tracker.upload("a-report", page)
