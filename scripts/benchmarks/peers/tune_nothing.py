"""P3 and P4 with no-op trials of two reports; in P4 they track what a user would track."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from benchmarks.peers import print_figures, settings


def train(config: dict[str, Any]) -> None:
    """P3: only report."""
    for _ in range(2):
        tune.report({"loss": config["value"]})


def train_tracked(config: dict[str, Any]) -> None:
    """P4: track a run, its two inputs, two losses and its model."""
    import torch
    import trackio

    with contextlib.redirect_stdout(sys.stderr):
        run = trackio.init(
            project="bench", name=f"trial-{config['value']}", config=config, embed=False
        )
        data = run.use_artifact("data:latest")
        data.download()
        model = run.use_artifact("model:latest")
        folder = Path(model.download())
        network = torch.nn.Linear(1, 1)
        network.load_state_dict(torch.load(folder / "model.pth"))
        for step in range(2):
            run.log({"loss": config["value"]}, step=step)
            tune.report({"loss": config["value"]})
        with tempfile.TemporaryDirectory() as saved:
            path = Path(saved, "trained_model.pth")
            torch.save(network.state_dict(), path)
            artifact = trackio.Artifact(
                "trained-model", type="model", metadata={"value": config["value"]}
            )
            artifact.add_file(str(path))
            run.log_artifact(artifact).wait()
        run.finish()  # type: ignore[no-untyped-call]


class Ends(tune.Callback):
    """Records when each trial ended, in seconds since the epoch."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.times.append(time.time())


def main() -> None:
    """Run a grid of `trials` trials on `cpus` CPUs."""
    asked = settings()
    with tempfile.TemporaryDirectory() as storage:
        if asked["tracked"]:
            os.environ["TRACKIO_DIR"] = str(Path(storage, "trackio"))
            _log_inputs(Path(storage))
        ray.init(num_cpus=asked["cpus"], include_dashboard=False, log_to_driver=False)
        ends = Ends()
        tune.Tuner(
            tune.with_resources(train_tracked if asked["tracked"] else train, {"cpu": 1}),
            param_space={"value": tune.grid_search([float(i) for i in range(asked["trials"])])},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(storage_path=storage, verbose=0, callbacks=[ends]),
        ).fit()
        if asked["tracked"]:
            _check(asked["trials"])
    assert len(ends.times) == asked["trials"]
    print_figures(ends=ends.times)


def _log_inputs(folder: Path) -> None:
    import torch
    import trackio

    with contextlib.redirect_stdout(sys.stderr):
        run = trackio.init(project="bench", name="inputs", embed=False)
        for name, content in (
            ("data", torch.zeros(1, 1)),
            ("model", torch.nn.Linear(1, 1).state_dict()),
        ):
            torch.save(content, folder / f"{name}.pth")
            artifact = trackio.Artifact(name, type=name)
            artifact.add_file(str(folder / f"{name}.pth"))
            run.log_artifact(artifact).wait()
        run.finish()  # type: ignore[no-untyped-call]


def _check(trials: int) -> None:
    """Check that the tracker has what the trials logged."""
    import trackio

    api = trackio.Api()
    assert len(list(api.runs("bench"))) == trials + 1


if __name__ == "__main__":
    main()
