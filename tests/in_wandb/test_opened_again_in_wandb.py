"""A sweep in W&B that has ended, opened again for what failed."""

from __future__ import annotations

from pathlib import Path

import wandb
from fragile_sweep import written

from commands import raysweep
from sweeps import runs_by_job, stored
from wandb_server import WandbServer

PROJECT = "opened-again"


def test_w_and_b_shows_what_it_came_to(server: WandbServer, api: wandb.Api, tmp_path: Path) -> None:
    config, broken = written(tmp_path, [0.0001, 0.03], tracking={"project": PROJECT})
    broken.write_text("0.03")
    at = ("--storage", tmp_path / "runs", "--json")
    run = ("run", config, "--tracker", "wandb", "--name", "mine", *at)
    before = raysweep(*run, cwd=tmp_path)
    assert (before["trials"]["failed"], before["unsent"]) == (1, [])
    captions = _captions(api)
    broken.unlink()
    after = raysweep("resume", "mine", "--retry-failed", *at, cwd=tmp_path)
    assert (after["trials"]["failed"], after["unsent"]) == (0, [])
    assert after["best"]["config"] == {"learning_rate": 0.03}
    api.flush()
    runs = {run.name: run for run in api.runs(f"tester/{PROJECT}", lazy=False)}
    assert {run.state for run in runs.values()} == {"finished"}
    again = runs["trial-0001-mine"]
    assert again.summary.get("error") is None
    rows = [row for row in again.scan_history() if row.get("validation/accuracy")]
    assert len(rows) == 2, "each epoch once"
    best = api.artifact(f"tester/{PROJECT}/trained-model:best")
    assert f"trained-model:{best.version}" == after["best"]["artifact"]
    report = runs["report-mine"]
    assert after["best"]["artifact"] in [used.name for used in report.used_artifacts()]
    assert report.summary["accuracy"] == after["test"]["accuracy"]
    tracker = stored(tmp_path / "runs").tracker()
    (kept,) = runs_by_job(tracker, "mine")["report"]
    pictures = [image.caption for image in tracker.images(kept.id, "high-loss-examples")]
    assert _captions(api) == pictures != captions, "those of the model that won"
    tracker.close()


def _captions(api: wandb.Api) -> list[str]:
    api.flush()
    (report,) = (run for run in api.runs(f"tester/{PROJECT}") if run.name == "report-mine")
    captions: list[str] = report.summary["high-loss-examples"]["captions"]
    return captions
