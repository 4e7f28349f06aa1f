"""A trial stepped by hand: the model of its best epoch, its run, and every way it can end."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from raysweep.cluster import signals
from raysweep.config import Config
from raysweep.errors import ArtifactCorrupt
from raysweep.ml.weights import load_weights
from raysweep.selection import best_epoch
from raysweep.stages.versions import Versions
from raysweep.tracking import ArtifactVersion
from raysweep.trials.trial import TrialSession
from raysweep.version import __version__

from workshop import Workshop, training

Weights = Mapping[str, torch.Tensor]

DIVERGING = {"optimizer": "SGD", "momentum": 0.0, "epochs": 2}


def weights_of(session: TrialSession) -> Weights:
    """Copy the current weights."""
    trainer = training(session).trainer
    assert trainer is not None
    return {name: t.clone() for name, t in trainer.model.state_dict().items()}


def logged_weights(workshop: Workshop, model: ArtifactVersion, folder: Path) -> Weights:
    workshop.tracker.download(model.ref, folder)
    return load_weights(folder / "trained_model.pth")


def same(some: Weights, others: Weights) -> bool:
    return some.keys() == others.keys() and all(
        torch.equal(tensor, others[name]) for name, tensor in some.items()
    )


def the_run(workshop: Workshop, name: str = "trial-0000") -> Any:
    return workshop.tracker.run(workshop.sweep.run_id(name))


def the_model(workshop: Workshop, name: str = "trial-0000") -> ArtifactVersion:
    (ref,) = the_run(workshop, name).logged
    return workshop.tracker.artifact(ref)


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        ("validation/loss", "minimize"),
        # The loss falls from epoch to epoch: the "best" of these two is not the last one.
        ("validation/loss", "maximize"),
        ("train/loss", "maximize"),
    ],
)
def test_the_model_logged_is_that_of_the_best_epoch(
    workshop: Workshop, config: Config, tmp_path: Path, metric: str, goal: Any
) -> None:
    session = workshop.session(config, metric=metric, goal=goal)
    history, weights = [], []
    while not session.done:
        history.append(session.step())
        weights.append(weights_of(session))
    assert len(history) == 3
    best = best_epoch(history, metric, goal)
    assert best is not None
    if goal == "maximize":
        assert best["epoch"] < 2, "the premise: the loss fell"
    model = the_model(workshop)
    logged = logged_weights(workshop, model, tmp_path / "model")
    assert [same(logged, each) for each in weights] == [m == best for m in history]
    assert model.metadata["metrics"] == best
    assert session.report.best == best


def test_the_model_says_what_made_it(workshop: Workshop, config: Config) -> None:
    model = workshop.trained(config)
    assert (model.name, model.type) == ("trained-model", "model")
    assert model.description == "Trained NN model"
    assert sorted(file.path for file in model.files) == ["metadata.json", "trained_model.pth"]
    metadata = model.metadata
    assert metadata["model"] == config.model.model_dump(mode="json")
    assert metadata["train"] == config.train.model_dump(mode="json") | {"learning_rate": 0.01}
    assert isinstance(metadata["seed"], int)
    assert metadata["sweep"] == "digits-test"
    assert metadata["trial"] == "trial-0000"
    assert metadata["run"] == "5ca1ab1e-trial-0000"
    assert metadata["metric"] == {"name": "validation/accuracy", "goal": "maximize"}
    assert metadata["stopped"] is False
    assert metadata["used"] == {"digits-preprocess": "v0", "convnet": "v0"}
    assert metadata["requested"] == ["digits-preprocess:latest", "convnet:latest"]
    assert metadata["code_version"] == {"raysweep": __version__, "torch": torch.__version__}


def test_the_run_says_what_it_did(workshop: Workshop, config: Config) -> None:
    model = workshop.trained(config)
    run = the_run(workshop)
    assert (run.name, run.job_type, run.group) == ("trial-0000-digits-test", "train", "digits-test")
    assert run.tags == ("a tag",)
    assert (run.state, run.error) == ("finished", None)
    assert run.used == ("digits-preprocess:v0", "convnet:v0")
    assert run.logged == (model.ref,)
    assert run.config["sweep"] == "digits-test"
    assert run.config["trial"] == "trial-0000"
    assert run.config["train"]["learning_rate"] == 0.01
    assert run.config["model"]["hidden_layer_sizes"] == [4, 8]
    assert run.config["data"]["dataset"] == "digits"
    assert run.config["preprocess"] == {"normalize": True, "expand_dims": True}
    assert run.summary == dict(model.metadata["metrics"]) | {"model": model.ref, "stopped": False}


def test_the_history_has_the_tutorials_keys_and_steps(workshop: Workshop, config: Config) -> None:
    session = workshop.session(config)
    while not session.done:
        metrics = session.step()
        rows = workshop.tracker.history(the_run(workshop).id)
        assert rows[-1]["validation/loss"] == metrics["validation/loss"]  # kept when step returns
    epochs = [row for row in rows if "validation/accuracy" in row]
    assert [row["step"] for row in epochs] == [1200, 2400, 3600]
    assert [row["epoch"] for row in epochs] == [0, 1, 2]
    assert all(0 <= row["validation/accuracy"] <= 100 for row in epochs)
    batches = [row["step"] for row in rows if "train/loss" in row]
    assert batches == [128, 640, 1152, 1328, 1840, 2352, 2528, 3040, 3552]


def test_a_trial_that_never_steps_leaves_no_trace(workshop: Workshop, config: Config) -> None:
    workshop.session(config).close()
    assert workshop.tracker.runs(workshop.sweep.name) == []


def test_stopped_early_it_logs_the_model_it_has(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    session = workshop.session(config)
    session.step()
    weights = weights_of(session)
    session.close()
    session.close()
    model = the_model(workshop)
    assert model.metadata["stopped"] is True
    assert model.metadata["metrics"]["epoch"] == 0
    assert same(logged_weights(workshop, model, tmp_path / "model"), weights)
    assert the_run(workshop).state == "finished"
    assert the_run(workshop).summary["stopped"] is True


def test_closing_a_trial_that_is_done_adds_nothing(workshop: Workshop, config: Config) -> None:
    session = workshop.session(config)
    while not session.done:
        session.step()
    session.close()
    assert the_model(workshop).metadata["stopped"] is False
    assert len(the_run(workshop).logged) == 1


def test_a_failure_is_recorded_with_its_cause_and_raised_again(
    workshop: Workshop, config: Config, tmp_path: Path
) -> None:
    digest = next(file.digest for file in workshop.data.files if file.path == "training.pt")
    (blob,) = (tmp_path / "workshop").rglob(digest)
    blob.chmod(0o644)
    blob.write_bytes(b"changed on disk")
    session = workshop.session(config)
    with pytest.raises(ArtifactCorrupt):
        session.step()
    session.close()  # Ray Tune cleans up after a failure
    run = the_run(workshop)
    assert run.state == "failed"
    assert run.error.startswith("ArtifactCorrupt: ")
    assert "training.pt" in run.error
    assert run.logged == ()


def test_an_interrupt_marks_the_run_as_interrupted(workshop: Workshop, config: Config) -> None:
    def interrupted(_: Config) -> Versions:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("Python raises KeyboardInterrupt")

    with signals.watched(), pytest.raises(KeyboardInterrupt):
        workshop.session(config, versions=interrupted).step()
    run = the_run(workshop)
    assert run.state == "interrupted"


def test_a_trial_that_diverges_from_the_start_still_has_a_model(
    workshop: Workshop, make_config: Callable[..., Config]
) -> None:
    sweep = {"method": "grid", "parameters": {"learning_rate": {"values": [1e30]}}}
    sweep["metric"] = {"name": "validation/loss"}
    model = workshop.trained(make_config(train=DIVERGING, sweep=sweep))
    assert model.metadata["metrics"]["validation/loss"] is None
    assert model.metadata["metrics"]["epoch"] == 1
    run = the_run(workshop)
    assert run.state == "finished"
    assert run.summary["validation/loss"] is None
    rows = workshop.tracker.history(run.id)
    assert any(math.isnan(float(row.get("validation/loss", 0))) for row in rows)


def test_what_changes_no_arithmetic_changes_no_weight(
    workshop: Workshop, make_config: Callable[..., Config], tmp_path: Path
) -> None:
    often = make_config(train={"epochs": 1, "batch_log_interval": 1})
    seldom = make_config(train={"epochs": 1, "batch_log_interval": 100})
    other_seed = make_config(train={"epochs": 1, "seed": 1})
    weights = [
        logged_weights(workshop, workshop.trained(config, f"trial-000{i}"), tmp_path / f"{i}")
        for i, config in enumerate((often, seldom, other_seed))
    ]
    assert same(weights[0], weights[1])
    assert not same(weights[0], weights[2])


def test_two_trials_of_equal_weights_are_two_versions(workshop: Workshop, config: Config) -> None:
    refs = {workshop.trained(config, name).ref for name in ("trial-0000", "trial-0001")}
    assert refs == {"trained-model:v0", "trained-model:v1"}
