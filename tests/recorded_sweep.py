"""A sweep's folder as a driver leaves it, written by the real journal and store: no trial runs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raysweep.config import Config
from raysweep.storage.journal import Journal
from raysweep.storage.storage import Storage, SweepRecord
from raysweep.storage.sweep_folder import SweepFolder
from raysweep.tracking import ArtifactDraft, Image
from raysweep.tracking.identity import SweepIdentity
from raysweep.tracking.trackio.store import TrackioStore
from raysweep.tracking.trackio.tracker import TrackioTracker

MARKUP = "<img src=x onerror=alert(1)>"
"""Text that a page must show, and never read as markup."""

PARAMETERS = {
    "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-1},
    "model.dropout": {"min": 0.0, "max": 0.6},
    "train.optimizer": {"values": ["Adam", "SGD"]},
    "train.batch_size": {"values": [16, 32, 64]},
}
WORKERS = [("one", 11), ("one", 12), ("two", 21), ("two", 22)]
EPOCHS = 4


@dataclass
class Clock:
    """The time of the events, in seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def record(
    storage: Path,
    name: str,
    states: Sequence[str],
    *,
    ended: bool = True,
    markup: bool = False,
    metric: str = "validation/accuracy",
) -> SweepFolder:
    """Record a trial for each of `states`: completed, stopped, failed, or running.

    The score peaks at a learning rate of 0.005 and knows nothing of the other parameters, which are
    drawn with a fixed seed. With `ended` the best that finished is the winner, with a model, its
    lineage, and a report with pictures and a confusion matrix. With `markup` names hold HTML.
    """
    goal = "maximize" if metric.endswith("accuracy") else "minimize"
    given: dict[str, Any] = {
        "data": {"dataset": "digits"},
        "train": {"epochs": EPOCHS},
        "sweep": {
            "method": "random",
            "run_cap": max(len(states), 1),
            "metric": {"name": metric, "goal": goal},
            "parameters": PARAMETERS,
        },
    }
    config = Config.from_dict(given).to_dict()
    if markup:
        config["sweep"]["parameters"]["train.optimizer"]["values"] = [MARKUP, "</script>SGD"]
    place = Storage(storage)
    kept = SweepRecord.new(name, config["tracking"]["project"], None, "trackio")
    folder = place.create(kept, config)
    best = _journal(folder, config, states, markup=markup)
    if ended and best is not None:
        _end(place, kept, folder, best)
    return folder


def _journal(
    folder: SweepFolder, config: dict[str, Any], states: Sequence[str], *, markup: bool
) -> tuple[int, dict[str, Any], dict[str, Any]] | None:
    rng, clock = random.Random(0), Clock()
    metric, goal = config["sweep"]["metric"]["name"], config["sweep"]["metric"]["goal"]
    journal = Journal(folder.journal, clock=clock)
    versions = {"python": "3.11", "ray": "2.54.1"}
    journal.write("started", config=config, versions=versions)
    for stage, ref in (("load", "digits-raw:v0"), ("initialize", "convnet:v0")):
        clock.now += 1
        journal.write("stage", stage=stage, ref=ref, cached=stage == "load")
    best = None
    logs = folder.path / "logs"
    logs.mkdir()
    for index, state in enumerate(states):
        node, pid = WORKERS[index % len(WORKERS)]
        values = {
            "learning_rate": 10 ** rng.uniform(-4, -1),
            "model.dropout": rng.uniform(0, 0.6),
            "train.optimizer": rng.choice(
                config["sweep"]["parameters"]["train.optimizer"]["values"]
            ),
            "train.batch_size": rng.choice([16, 32, 64]),
        }
        top = 98 - 3 * (math.log10(values["learning_rate"]) + 2.3) ** 2
        journal.write("trial", index=index, values=values, repeat=0)
        journal.write("begun", index=index)
        epochs = {"completed": EPOCHS, "stopped": 2, "failed": 1}.get(state, 3)
        row: dict[str, Any] = {}
        for epoch in range(epochs):
            clock.now += 1
            accuracy = top - 30 * math.exp(-epoch - 1)
            row = {"validation/accuracy": accuracy, "validation/loss": 2 - accuracy / 50}
            place = {} if epoch else {"node": node, "pid": pid}
            told = {"metrics": row, "best": {"epoch": epoch, **row}, "values": None}
            journal.write(
                *("epoch",), index=index, epochs=epoch + 1, examples=600 * (epoch + 1), **told,
                ends=epoch + 1 == EPOCHS, **place,
            )  # fmt: skip
        why = MARKUP if markup else "KeyError: 1"
        failure = {"error": why, "where": "train.py:12", "traceback": f"Traceback\n{why}"}
        if state != "running":
            told = failure if state == "failed" else {"error": None}
            journal.write("ended", index=index, state=state, **told)
        (logs / f"trial-{index:04d}.log").write_text(f"the first line\n{why}\nthe last line\n")
        score = row[metric] if goal == "maximize" else -row[metric]
        if state in ("completed", "stopped") and (best is None or score > best[0]):
            best = (score, index, values, row)
    journal.close()
    return None if best is None else best[1:]


def _end(
    place: Storage,
    kept: SweepRecord,
    folder: SweepFolder,
    best: tuple[int, dict[str, Any], dict[str, Any]],
) -> None:
    index, values, row = best
    tracker = TrackioTracker(TrackioStore(place.tracker, kept.project))
    sweep, trial = SweepIdentity(kept.name, kept.id), f"trial-{index:04d}"
    file = place.root / "file.bin"
    file.write_text(kept.id)

    def ran(name: str, job: str, uses: Sequence[str], makes: tuple[str, str] | None) -> str:
        run = tracker.start_run(sweep.run(name, job, {}))
        for ref in uses:
            run.use_artifact(ref)
        if job == "report":
            pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
            pictures = [Image(pixels, "1,7"), Image(pixels, "4,0")]
            run.log_images("high-loss-examples", pictures, 0)
            table = [[0, 5, 1], [1, 0, 6]]
            run.log_table("confusion-matrix", ["label", "predicted 0", "predicted 1"], table, 0)
        ref = ""
        if makes is not None:
            draft = ArtifactDraft(*makes, "of a test", {}, {"file.bin": file})
            ref = run.log_artifact(draft).ref
        run.finish()
        return ref

    data = ran("load", "load-data", [], ("digits-raw", "dataset"))
    network = ran("initialize", "initialize", [], ("convnet", "model"))
    model = ran(trial, "train", [data, network], ("trained-model", "model"))
    ran("report", "report", [data, model], None)
    file.unlink()
    tracker.close()
    folder.write_result(
        {
            "sweep": kept.name,
            "project": kept.project,
            "tracker": "trackio",
            "trials": {},
            "best": {"trial": trial, "artifact": model, "config": values, "metrics": row},
            "test": {"loss": 0.0853, "accuracy": 97.2},
            "wall_s": 75.0,
        }
    )
