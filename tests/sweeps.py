"""Small sweeps over the embedded digits, and a look into what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import torch

from raysweep.cluster import cluster
from raysweep.ml.weights import load_weights
from raysweep.storage.reading import StoredSweep
from raysweep.tracking import RunRecord, Tracker

HAS_LOCAL_MODE = tuple(map(int, ray.__version__.split(".")[:2])) <= (2, 54)
"""Whether this Ray still has `ray.init(local_mode=True)`."""

IMPOSSIBLE = [1, 4_000_000_000_000_000_000]
"""`model.hidden_layer_sizes` that the schema takes and no computer does: the trial raises."""


@contextmanager
def one_process() -> Iterator[None]:
    """Ray in local mode for any number of sweeps: it takes 5 s to start, a small sweep 2 s."""
    with cluster.connect(None, local_mode=True, verbose=False):
        yield


def digits(sweep: Mapping[str, Any], **sections: Mapping[str, Any]) -> dict[str, Any]:
    """A config on the digits: two short epochs of a small network a trial, one CPU each."""
    config: dict[str, Any] = {
        "data": {"dataset": "digits", "train_size": 600},
        "model": {"hidden_layer_sizes": [8, 16]},
        "train": {"epochs": 2, "batch_size": 64},
        "resources": {"cpus": 1},
        "sweep": dict(sweep),
    }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section}
    return config


def grid(**values: list[Any]) -> dict[str, Any]:
    """A grid; `__` in a name stands for a dot: `model__dropout`."""
    parameters = {name.replace("__", "."): {"values": v} for name, v in values.items()}
    return {"method": "grid", "parameters": parameters}


def stored(storage: Path, name: str | None = None) -> StoredSweep:
    return StoredSweep.find(storage, name)


def runs_by_job(tracker: Tracker, group: str) -> dict[str, list[RunRecord]]:
    """The sweep's runs: job type → runs, oldest first."""
    found: dict[str, list[RunRecord]] = {}
    for run in tracker.runs(group):
        found.setdefault(run.job_type, []).append(run)
    return found


def epochs_kept(tracker: Tracker, run: RunRecord) -> int:
    """A row with validation metrics is an epoch. What was told was flushed, so it must be kept."""
    return sum("validation/accuracy" in row for row in tracker.history(run.id))


def models(sweep: StoredSweep, folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Trial → the weights that it logged, downloaded below `folder`."""
    tracker = sweep.tracker()
    weights = {}
    for run in tracker.runs(sweep.record.name):
        for ref in run.logged:
            if ref.startswith("trained-model:"):
                place = folder / sweep.record.name / ref.replace(":", "-")
                place.parent.mkdir(parents=True, exist_ok=True)
                tracker.download(ref, place)
                weights[run.config["trial"]] = load_weights(place / "trained_model.pth")
    return weights


def assert_same_models(
    some: dict[str, dict[str, torch.Tensor]], others: dict[str, dict[str, torch.Tensor]]
) -> None:
    """The same trials, and bit for bit the same weights."""
    assert some.keys() == others.keys()
    for trial, weights in some.items():
        assert weights.keys() == others[trial].keys()
        for name, tensor in weights.items():
            assert torch.equal(tensor, others[trial][name]), f"{trial}: {name} differs"
