"""P2: the tutorial's training in plain Ray Tune with default settings. P3: with `reuse_actors`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from benchmarks.peers import print_figures, settings
from benchmarks.peers.tutorial import new_model, train_epochs


def train(config: dict[str, Any]) -> None:
    """Run a trial. With `keep_models` each epoch's weights are saved as its checkpoint."""
    model = new_model(config["model"])
    wanted = {name: config[name] for name in ("lr", "batch_size", "epochs")}
    for metrics in train_epochs(model, config["folder"], **wanted):
        if not config["keep_models"]:
            tune.report(metrics)
            continue
        with tempfile.TemporaryDirectory() as folder:
            torch.save(model.state_dict(), Path(folder, "model.pth"))
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def main() -> None:
    """Run a grid of learning rates; or, with `budget_s`, random ones until the time is up."""
    asked = settings()
    ray.init(num_cpus=asked["cpus"], include_dashboard=False, log_to_driver=False)
    param_space = {
        **{name: asked[name] for name in ("folder", "model", "batch_size", "epochs")},
        "keep_models": "budget_s" in asked,
    }
    options: dict[str, Any] = {"reuse_actors": True} if asked.get("reuse_actors") else {}
    if "budget_s" in asked:
        param_space["lr"] = tune.loguniform(asked["lr_min"], asked["lr_max"])
        options |= {"num_samples": -1, "time_budget_s": asked["deadline"] - time.time()}
    else:
        param_space["lr"] = tune.grid_search(asked["learning_rates"])
    with tempfile.TemporaryDirectory() as storage:
        tuner = tune.Tuner(
            tune.with_resources(train, {"cpu": 1}),
            param_space=param_space,
            tune_config=tune.TuneConfig(
                metric="validation/accuracy", mode="max", search_alg=_seeded(asked), **options
            ),
            run_config=tune.RunConfig(storage_path=storage, verbose=0),
        )
        results = tuner.fit()
        trials = len(results)
        best = results.get_best_result(scope="all")
        figures: dict[str, Any] = {"trials": trials, "accuracies": _best_epochs(results)}
        if "keep" in asked:
            chosen = max(best.best_checkpoints or [], key=_accuracy_of_checkpoint)[0]
            with chosen.as_directory() as folder:
                Path(asked["keep"]).write_bytes(Path(folder, "model.pth").read_bytes())
    print_figures(**figures)


def _seeded(asked: dict[str, Any]) -> Any:
    from ray.tune.search.basic_variant import BasicVariantGenerator

    return BasicVariantGenerator(random_state=asked.get("seed", 0))


def _best_epochs(results: Any) -> list[float]:
    return [
        float(each.metrics_dataframe["validation/accuracy"].max())
        for each in results
        if each.metrics_dataframe is not None and len(each.metrics_dataframe)
    ]


def _accuracy_of_checkpoint(kept: tuple[Any, dict[str, Any]]) -> float:
    return float(kept[1]["validation/accuracy"])


if __name__ == "__main__":
    main()
