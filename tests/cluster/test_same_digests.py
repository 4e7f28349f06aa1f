"""The same sweep gives the same digests, whatever the workers, the order and the mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from raysweep import SweepResult, run_sweep

from sweeps import HAS_LOCAL_MODE, assert_same_models, digits, grid, models, one_process, stored

GRID = digits(grid(learning_rate=[0.01], model__dropout=[0.3, 0.5], optimizer=["Adam", "SGD"]))


def with_workers(config: dict[str, Any], count: int) -> dict[str, Any]:
    return {**config, "resources": {**config["resources"], "max_concurrent": count}}


LEARNING = digits(
    {
        "method": "bayes",
        "run_cap": 4,
        "parameters": {
            "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.03}
        },
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
    },
)
"""The order of results decides which trials there are and continue, but not what each computes."""


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SweepResult]:
    """The sweeps in local mode. Asked for before `two_cpus`: a process has one Ray at a time.

    None of them where this Ray has no local mode.
    """
    if not HAS_LOCAL_MODE:
        return {}
    storage = tmp_path_factory.mktemp("local")
    with one_process():
        return {
            name: run_sweep(config, name=name, storage=storage / name)
            for name, config in (("grid", GRID), ("learning", LEARNING))
        }


def test_one_worker_two_workers_and_local_mode_give_the_same_weights(
    in_one_process: dict[str, SweepResult],
    two_cpus: None,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    one, two = (
        run_sweep(with_workers(GRID, count), name=str(count), storage=tmp_path / str(count))
        for count in (1, 2)
    )
    assert "issues/53727" not in capfd.readouterr().err, "Ray warns of no actor"
    weights = models(stored(one.folder.parent), tmp_path / "models")
    assert len(weights) == 4
    for result in (two, *(in_one_process[name] for name in in_one_process if name == "grid")):
        assert (result.best.trial, result.best.metrics) == (one.best.trial, one.best.metrics)
        assert result.test.accuracy == one.test.accuracy
        others = models(stored(result.folder.parent), tmp_path / result.sweep)
        assert_same_models(weights, others)


def test_where_the_sweep_learns_each_configuration_is_the_same_at_each_epoch(
    in_one_process: dict[str, SweepResult], two_cpus: None, tmp_path: Path
) -> None:
    if not in_one_process:
        pytest.skip("this Ray has no local mode to compare with")
    two = run_sweep(with_workers(LEARNING, 2), name="two", storage=tmp_path / "two")
    epochs = [
        by_configuration(result, tmp_path / "models")
        for result in (in_one_process["learning"], two)
    ]
    # TPE's first draws are random, the later ones follow from results.
    rates = epochs[0].keys() & epochs[1].keys()
    assert len(rates) >= 2
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
    """Map learning rates to the history, the epoch of the logged model, and its weights."""
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
