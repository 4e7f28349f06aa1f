"""A training that continues from another's state, with its own settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Splits
from raysweep.ml.training import Trainer

CPU = torch.device("cpu")
OTHERS = {"learning_rate": 0.002, "weight_decay": 0.5, "batch_size": 32}


@pytest.fixture
def make_trainer(
    digits: Splits,
    make_model: Callable[..., ConvNet],
    make_settings: Callable[..., dict[str, Any]],
) -> Callable[..., Trainer]:
    def make(**changes: Any) -> Trainer:
        data = (digits.training, digits.validation)
        return Trainer(make_model(), *data, seed=0, device=CPU, **make_settings(**changes))

    return make


def after(epochs: int, trainer: Trainer) -> Trainer:
    for _ in range(epochs):
        list(trainer.epoch())
    return trainer


def group(trainer: Trainer) -> dict[str, Any]:
    (found,) = trainer._optimizer.param_groups
    return {key: value for key, value in found.items() if key != "params"}


@pytest.mark.parametrize("schedule", ["none", "cosine", "one-cycle"])
def test_state_is_the_others_and_settings_are_kept(
    schedule: str, make_trainer: Callable[..., Trainer]
) -> None:
    parent = after(2, make_trainer(schedule=schedule))
    child = make_trainer(schedule=schedule, **OTHERS)
    child.adopt(parent.state_dict())
    assert child.epochs_done == 2
    for name, weights in parent.model.state_dict().items():
        assert torch.equal(child.model.state_dict()[name], weights)
    theirs, mine = parent._optimizer.state_dict()["state"], child._optimizer.state_dict()["state"]
    assert all(torch.equal(theirs[i]["exp_avg"], mine[i]["exp_avg"]) for i in theirs)
    alone = after(2, make_trainer(schedule=schedule, **OTHERS))
    assert group(child) == group(alone), "as if its settings had been these from the start"
    if alone._schedule is not None and child._schedule is not None:
        assert child._schedule.state_dict()["last_epoch"] == alone._schedule.last_epoch


@pytest.mark.parametrize("schedule", ["none", "cosine", "one-cycle"])
def test_with_the_same_settings_it_is_the_same_training(
    schedule: str, make_trainer: Callable[..., Trainer]
) -> None:
    parent = after(1, make_trainer(schedule=schedule))
    child = make_trainer(schedule=schedule)
    child.adopt(parent.state_dict())
    expected = after(2, parent).model.state_dict()
    for name, weights in after(2, child).model.state_dict().items():
        assert torch.equal(weights, expected[name])


def test_the_parent_is_left_as_it_was(make_trainer: Callable[..., Trainer]) -> None:
    parent = after(1, make_trainer())
    state = parent.state_dict()
    child = make_trainer(**OTHERS)
    child.adopt(state)
    after(1, child)
    assert group(parent) != group(child)
    for name, weights in parent.model.state_dict().items():
        assert torch.equal(state["model"][name], weights)
