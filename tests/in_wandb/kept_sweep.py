"""A sweep as the embedded tracker keeps it, written by hand: all kinds of runs, and no training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from raysweep.config import Config
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.tracking import ArtifactDraft, Image, Run, RunSpec
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

NAME = "mine"
PICTURES = [
    Image(np.full((28, 28), shade, dtype=np.uint8), caption=f"{shade},1") for shade in (3, 4)
]
TABLE = (["label", "predicted 0"], [[0, 12], [1, 3]])


class KeptSweep:
    """A storage with one sweep in `project`, `mine`."""

    def __init__(self, root: Path, project: str) -> None:
        storage = Storage(root / "runs")
        self.storage = storage.root
        self.record = SweepRecord.new(NAME, project, None, "trackio")
        self.folder = storage.create(self.record, Config().to_dict())
        self.store = TrackioStore(storage.tracker, project)
        self.tracker = TrackioTracker(self.store)
        self._files = root / "files"
        self._files.mkdir()

    def run(self, name: str, job_type: str, group: str = NAME) -> Run:
        spec = RunSpec(
            id=f"{self.record.id}-{name}",
            name=f"{name}-{group}",
            job_type=job_type,
            group=group,
            config={"sweep": group, "train": {"learning_rate": 1e-3, "sizes": [8, 16]}},
            tags=("nightly",),
        )
        return self.tracker.start_run(spec)

    def draft(self, name: str, type: str, content: str) -> ArtifactDraft:
        path = self._files / f"{name}-{content}"
        path.write_text(content)
        metadata = {"content": content, "loss": math.nan}
        return ArtifactDraft(name, type, f"About {name}", metadata, {"sub/data.bin": path})

    def load(self, group: str = NAME) -> None:
        run = self.run("load-data", "load-data", group)
        run.log_artifact(self.draft("digits-raw", "dataset", "raw"))
        run.summarize({"artifact": "digits-raw:v0"})
        run.finish()

    def train(self, number: int, uses: tuple[str, ...]) -> None:
        run = self.run(f"trial-{number:04d}", "train")
        for ref in uses:
            run.use_artifact(ref)
        for step in (128, 256):
            run.log({"epoch": 1, "train/loss": 1 / step}, step)
        run.log({"validation/loss": 0.5, "validation/accuracy": 97.5}, 256)
        run.log_artifact(self.draft("trained-model", "model", f"trial {number}"))
        run.summarize({"validation/accuracy": 97.5, "stopped": False})
        run.finish()

    def fail(self, number: int) -> None:
        run = self.run(f"trial-{number:04d}", "train")
        run.log({"train/loss": math.nan}, 128)
        run.finish("failed", "ValueError: loss is NaN")

    def report(self, model: str) -> None:
        run = self.run("report", "report")
        run.use_artifact(model)
        run.log_images("high-loss-examples", PICTURES, 0)
        run.log_table("confusion-matrix", *TABLE, 0)
        run.summarize({"loss": 0.1, "accuracy": 98.5})
        self.tracker.set_alias(model, f"best-{NAME}")
        self.tracker.set_alias(model, "best")
        run.finish()


def small_sweep(root: Path, project: str) -> KeptSweep:
    """One of each kind of run, and as few steps as that takes."""
    kept = KeptSweep(root, project)
    kept.load()
    kept.train(0, ("digits-raw:v0",))
    kept.report("trained-model:v0")
    return kept


def whole_sweep(root: Path, project: str) -> KeptSweep:
    """With stages of an earlier sweep, and a model that its trial was older than."""
    kept = KeptSweep(root, project)
    kept.load("before")
    preprocess = kept.run("preprocess-data", "preprocess-data", "before")
    preprocess.use_artifact("digits-raw:v0")
    preprocess.log_artifact(kept.draft("digits-preprocess", "dataset", "preprocessed"))
    preprocess.finish()
    older = kept.run("trial-0000", "train")
    initialize = kept.run("initialize", "initialize")
    initialize.log_artifact(kept.draft("convnet", "model", "initial"))
    initialize.finish()
    older.finish("failed", "died young")
    kept.fail(5)
    for number in (1, 2, 3):
        kept.train(number, ("digits-preprocess:v0", "convnet:v0"))
    kept.report("trained-model:v1")
    kept.run("trial-0004", "train")  # its driver died
    return kept


def mutual_sweep(root: Path, project: str) -> KeptSweep:
    """Two trials of a population, each of which went on from a checkpoint of the other."""
    kept = KeptSweep(root, project)
    kept.load()
    trials = [kept.run(f"trial-{number:04d}", "train") for number in range(2)]

    def offer(number: int, epoch: int) -> str:
        trials[number].log({"epoch": epoch, "train/loss": 1 / epoch}, 128 * epoch)
        content = f"trial {number} after {epoch}"
        draft = kept.draft("trial-checkpoint", "checkpoint", content)
        return trials[number].log_artifact(draft).ref

    for run in trials:
        run.use_artifact("digits-raw:v0")
    for epoch, behind in ((1, 1), (2, 0)):
        ahead = offer(1 - behind, epoch)
        offer(behind, epoch)
        trials[behind].use_artifact(ahead)
    for number, run in enumerate(trials):
        run.log_artifact(kept.draft("trained-model", "model", f"trial {number}"))
        run.summarize({"validation/accuracy": 97.5})
        run.finish()
    kept.report("trained-model:v1")
    return kept
