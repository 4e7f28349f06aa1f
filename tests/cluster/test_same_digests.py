"""Same sweep, same digests: whichever worker ran a trial, in whatever order or mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
import torch
import yaml

from raysweep import SweepResult, run_sweep

from commands import raysweep
from sweeps import assert_same_models, digits, grid, models, stored

GRID = digits(
    grid(learning_rate=[0.01, 0.003], model__dropout=[0.3, 0.5], optimizer=["Adam", "SGD"])
)


def with_workers(config: dict[str, Any], count: int) -> dict[str, Any]:
    return {**config, "resources": {**config["resources"], "max_concurrent": count}}


def test_one_worker_two_workers_and_local_mode_give_the_same_weights(
    two_cpus: None, tmp_path: Path
) -> None:
    results = {
        name: run_sweep(with_workers(GRID, count), name=name, storage=tmp_path / name)
        for name, count in (("one", 1), ("two", 2))
    }
    assert {r.best.trial for r in results.values()} == {results["one"].best.trial}
    one = models(stored(tmp_path / "one"), tmp_path / "models")
    two = models(stored(tmp_path / "two"), tmp_path / "models")
    assert len(one) == 8
    assert_same_models(one, two)

    if not hasattr(ray, "LOCAL_MODE"):
        pytest.skip("this Ray has no local mode to compare with")
    file = tmp_path / "grid.yaml"
    file.write_text(yaml.safe_dump(GRID))
    local = raysweep("run", file, "--local-mode", "--storage", tmp_path / "local", "--json")
    assert local["best"]["trial"] == results["one"].best.trial
    assert local["best"]["metrics"] == results["one"].best.metrics
    assert local["test"]["accuracy"] == results["one"].test.accuracy
    assert_same_models(one, models(stored(tmp_path / "local"), tmp_path / "models"))


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_with_early_stopping_each_configuration_is_the_same_at_each_epoch(
    two_cpus: None, tmp_path: Path, method: str
) -> None:
    """Which trials go on depends on what came first; what each of them is does not."""
    config = digits(
        {
            "method": method,
            "run_cap": 4,
            "parameters": {
                "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.03}
            },
            "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
        },
    )
    results = [
        run_sweep(with_workers(config, n), name=f"w{n}", storage=tmp_path / str(n)) for n in (1, 2)
    ]
    epochs = [by_configuration(result, tmp_path / "models") for result in results]
    # TPE's first draws are random, the later ones follow from results; random's all agree.
    rates = epochs[0].keys() & epochs[1].keys()
    assert len(rates) >= (4 if method == "random" else 2)
    same_epoch = 0
    for rate in rates:
        (history, epoch, weights), (other, other_epoch, other_weights) = (e[rate] for e in epochs)
        common = min(len(history), len(other))
        assert common > 0
        assert history[:common] == other[:common]
        if epoch == other_epoch:
            same_epoch += 1
            assert weights.keys() == other_weights.keys()
            assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert same_epoch > 0, "some trial went equally far both times"


Trained = tuple[list[dict[str, Any]], int, dict[str, torch.Tensor]]


def by_configuration(result: SweepResult, folder: Path) -> dict[float, Trained]:
    """Learning rate → the history, the epoch of the logged model, and its weights."""
    sweep = stored(result.folder.parent)
    weights = models(sweep, folder)
    tracker = sweep.tracker()
    found = {}
    for run in tracker.runs(result.sweep):
        if run.job_type == "train":
            epoch = tracker.artifact(run.logged[-1]).metadata["metrics"]["epoch"]
            rate = run.config["train"]["learning_rate"]
            found[rate] = (tracker.history(run.id), epoch, weights[run.config["trial"]])
    tracker.close()
    return found
