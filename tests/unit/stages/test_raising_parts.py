"""Trials with custom trainers and networks, which do what the built-in ones do not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from raysweep.config import Config
from raysweep.config.failure import Failure
from raysweep.errors import ConfigError, DataError
from raysweep.search.spec import TrialSpec
from raysweep.stages import stages
from raysweep.stages.stages import StageOutcome
from raysweep.stages.versions import FixedVersions
from raysweep.tracking import RunRecord
from raysweep.tracking.summary import said
from raysweep.trials.trainable import TrialTrainable
from raysweep.trials.training.workload import Training
from raysweep.trials.trial import TrialSession

from workshop import Workshop, spec_of, training

TRAINERS = """
import sys
from dataclasses import replace
import torch
from torch import nn
from raysweep.ml.protocols import BatchLoss, EpochMetrics
from raysweep.ml.training import Trainer

class Failing(Trainer):
    def epoch(self):
        if self.epochs_done == 2:
            self.fails()
        yield from super().epoch()
    def fails(self):
        raise ValueError("of epoch 3\\nand more")

class Leaving(Failing):
    def fails(self):
        sys.exit("enough")

class Interrupting(Failing):
    def fails(self):
        raise KeyboardInterrupt("by itself")

class Early(Trainer):
    @property
    def done(self):
        return torch.tensor(self.epochs_done == 2)

class Named(Trainer):
    metrics = {"train/loss": "minimize", "stopped": "maximize", "model": "minimize",
               "epoch": "maximize", "done": "maximize", "validation/loss": "minimize"}
    def scores(self, output, y):
        score = float(10 + self.epochs_done)
        return {"stopped": score, "model": 0.5, "epoch": score, "done": 0.0,
                "validation/loss": 1 / score}

class Hoarding(Trainer):
    def state_dict(self):
        return {**super().state_dict(), "self": type(self)}

class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.calls = nn.Linear(784, 10), 0
    def forward(self, x):
        self.calls += self.training
        return self.fc(x.flatten(1))
    def get_extra_state(self):
        return {"calls": self.calls}
    def set_extra_state(self, state):
        self.calls = state["calls"]

class Keeping(Counting):
    def get_extra_state(self):
        return Trainer

def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(10))

class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.other = nn.Linear(784, 10), nn.LazyLinear(3)
    def forward(self, x):
        return self.fc(x.flatten(1))
"""


@pytest.fixture(autouse=True)
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "own_code.py").write_text(TRAINERS)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield
    sys.modules.pop("own_code", None)


@pytest.fixture
def config_of(make_config: Callable[..., Config]) -> Callable[..., Config]:
    """config_of("Failing") makes a config with that trainer, config_of(model="lazy") with that
    network."""

    def made(trainer: str | None = None, model: str | None = None, **sweep: Any) -> Config:
        sections: dict[str, Any] = {"sweep": {"parameters": {}, **sweep}}
        if trainer:
            sections["train"] = {"target": f"own_code:{trainer}", "momentum": 0.0, "epochs": 3}
        config = make_config(**sections).model_dump(mode="json", exclude_unset=True)
        if model:
            config["model"] = {"target": f"own_code:{model}"}
        return Config.from_dict(config)

    return made


def the_run(workshop: Workshop) -> RunRecord:
    return workshop.tracker.run(workshop.sweep.run_id("trial-0000"))


def trainable(workshop: Workshop, config: Config) -> TrialTrainable:
    """Make the trainable as Tune does."""
    made: TrialTrainable = object.__new__(TrialTrainable)
    made.setup(TrialSpec(0, {}).to_config(), Training(), workshop.context(config))
    return made


@pytest.mark.parametrize(
    ("trainer", "says"),
    [
        ("Failing", "ValueError: of epoch 3 (own_code.py:15 in fails)"),
        ("Leaving", "SystemExit: enough (own_code.py:19 in fails)"),
        ("Interrupting", "KeyboardInterrupt: by itself (own_code.py:23 in fails)"),
    ],
)
def test_an_exception_in_a_later_epoch_is_reported_with_its_place(
    workshop: Workshop, config_of: Callable[..., Config], trainer: str, says: str
) -> None:
    process = trainable(workshop, config_of(trainer))
    results = [process.step() for _ in range(3)]
    assert ["failed" in result for result in results] == [False, False, True]
    failure = Failure.from_text(results[-1]["failed"])
    assert failure.error == says
    assert f"own_code.py:{says.partition('py:')[2].split()[0]}" in str(failure.where)
    run, text, place = the_run(workshop), *says.split(" (", 1)
    assert run.state == "failed"
    assert run.error.startswith(text) and run.error.endswith(f" ({place}"), "and the whole text"


def test_a_trainer_that_is_done_before_its_last_epoch_is_completed(
    workshop: Workshop, config_of: Callable[..., Config]
) -> None:
    process = trainable(workshop, config_of("Early"))
    assert [process.step()["done"] for _ in range(2)] == [False, True]
    process.cleanup()
    assert the_run(workshop).summary["stopped"] is False
    model = workshop.tracker.artifact(the_run(workshop).logged[-1])
    assert model.metadata["stopped"] is False


def test_metrics_of_any_name(workshop: Workshop, config_of: Callable[..., Config]) -> None:
    process = trainable(workshop, config_of("Named", metric={"name": "stopped"}))
    results = [process.step() for _ in range(3)]
    assert [each["done"] for each in results] == [False, False, True]
    assert [each["score"] for each in results] == [11.0, 12.0, 13.0]
    run = the_run(workshop)
    assert (run.summary["stopped"], run.summary["model"], run.summary["epoch"]) == (13, 0.5, 13)
    assert said(run.summary, "stopped") is False
    assert said(run.summary, "model") == run.logged[-1]
    history = workshop.tracker.history(run.id)
    assert [row["epoch"] for row in history if "epoch" in row] == [11, 12, 13]


def test_a_state_that_no_trial_could_resume_from_is_refused_at_once(
    workshop: Workshop, config_of: Callable[..., Config]
) -> None:
    says = r"train\.target own_code:Hoarding: no trial could be resumed .*\(own_code\.Hoarding\)"
    with pytest.raises(ConfigError, match=says):
        TrialSession(Training(), workshop.context(config_of("Hoarding")), TrialSpec(0, {})).step()


def initialized(workshop: Workshop, config: Config, *, data: bool = True) -> StageOutcome:
    given = workshop.data if data else None
    return stages.initialize(workshop.tracker, workshop.sweep, config, given)


def trained(workshop: Workshop, config: Config, name: str, *, processes: int) -> Any:
    """Train each epoch in another process, and return the network at the end."""
    versions = {"data": workshop.data, "model": initialized(workshop, config).artifact}
    context = workshop.context(config, versions=FixedVersions(versions))
    session = TrialSession(Training(), context, spec_of(name, {}))
    session.step()
    for told in range(1, 3):
        if processes > 1:
            session = TrialSession(Training(), context, spec_of(name, {}, told=told))
        session.step()
    trainer = training(session).trainer
    assert session.done and trainer is not None
    return trainer.model


@pytest.mark.parametrize("model", ["Counting", "lazy"])
def test_extra_state_and_lazy_modules_are_trained_saved_and_resumed(
    workshop: Workshop, config_of: Callable[..., Config], model: str
) -> None:
    config = config_of(model=model)
    one, many = (trained(workshop, config, f"of-{n}", processes=n) for n in (1, 3))
    some, others = one.state_dict(), many.state_dict()
    extra = {name for name in some if name.endswith("_extra_state")}
    assert all(torch.equal(some[name], others[name]) for name in some.keys() - extra)
    if model == "Counting":
        assert one.calls == many.calls == 30, "ten batches an epoch"


def test_a_lazy_network_uses_the_data_that_its_sizes_come_from(
    workshop: Workshop, config_of: Callable[..., Config]
) -> None:
    outcome = initialized(workshop, config_of(model="lazy"))
    assert workshop.tracker.run(str(outcome.artifact.producer)).used == (workshop.data.ref,)
    again = stages.initialize(
        workshop.tracker, type(workshop.sweep)("two", "two"), config_of(model="lazy"), workshop.data
    )
    assert again.cached and again.artifact.ref == outcome.artifact.ref, "the same bytes"


@pytest.mark.parametrize(
    ("model", "data", "says"),
    [
        ("lazy", False, "LazyLinear takes its size from the data, which is swept, too; give the"),
        ("Unused", True, "LazyLinear has no size after an example went through the network"),
        ("Keeping", True, r"\(get_extra_state\), which holds more than .* \(raysweep.ml.training."),
    ],
)
def test_a_network_that_no_trial_could_make_is_refused_before_any_trains(
    workshop: Workshop, config_of: Callable[..., Config], model: str, data: bool, says: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.target own_code:{model}: .*{says}") as caught:
        initialized(workshop, config_of(model=model), data=data)
    assert isinstance(caught.value.__cause__, DataError | None)
