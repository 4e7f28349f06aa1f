"""The embedded store's one writing process, as the others reach it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from raysweep.pipeline.remote import RemoteStore, get
from raysweep.tracking import ArtifactDraft, RunSpec
from raysweep.tracking.embedded import TrackioTracker


def test_the_writer_never_imports_torch(two_cpus: None, tmp_path: Path) -> None:
    """It took 2 s and 600 MB: `torch.__version__`, in a model's metadata, is a class of torch's."""
    (tmp_path / "a.bin").write_bytes(b"weights")
    store = RemoteStore.start(tmp_path / "store", "p")
    run = TrackioTracker(store).start_run(RunSpec("r", "r", "train", "g", {}))
    metadata = {"torch": torch.__version__}
    files = {"a.bin": tmp_path / "a.bin"}
    logged = run.log_artifact(ArtifactDraft("m", "model", "a model", metadata, files))
    run.summarize({"torch": torch.__version__})
    run.finish()
    assert logged.metadata == {"torch": str(torch.__version__)}
    imported = get(store._actor.__ray_call__.remote(lambda _: set(sys.modules)))
    assert "trackio" in imported
    assert "torch" not in imported
