"""Same sweep, same digests: whichever worker ran a trial, in whatever order or mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
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


def test_with_early_stopping_each_configuration_is_the_same_at_each_epoch(
    two_cpus: None, tmp_path: Path
) -> None:
    """Which trials go on depends on what came first; what each of them is does not."""
    config = digits(
        {
            "method": "random",
            "run_cap": 5,
            "parameters": {
                "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.03}
            },
            "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 2},
        },
        train={"epochs": 3},
    )
    histories = [
        epochs_by_configuration(
            run_sweep(with_workers(config, n), name=f"w{n}", storage=tmp_path / str(n))
        )
        for n in (1, 2)
    ]
    shared = histories[0].keys() & histories[1].keys()
    assert len(shared) >= 5, "every trial has at least its first epoch in common"
    for key in shared:
        assert histories[0][key] == histories[1][key]


def epochs_by_configuration(result: SweepResult) -> dict[tuple[float, int], dict[str, float]]:
    """(learning rate, examples seen) → that row of the history."""
    sweep = stored(result.folder.parent)
    tracker = sweep.tracker()
    rows = {}
    for run in tracker.runs(result.sweep):
        if run.job_type == "train":
            rate = run.config["train"]["learning_rate"]
            rows |= {(rate, row["step"]): row for row in tracker.history(run.id)}
    tracker.close()
    return rows
