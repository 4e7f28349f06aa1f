"""The same trial gives the same weights bit for bit: in any process, order, or piece."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_trial
import pytest
import torch
from ml_trial import train_both_precisions

from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Splits
from raysweep.ml.optimizers import optimizer_names
from raysweep.ml.training import Trainer

CPU = torch.device("cpu")
Weights = dict[str, torch.Tensor]


@pytest.fixture
def make_trainer(
    digits: Splits,
    make_model: Callable[..., ConvNet],
    make_settings: Callable[..., dict[str, Any]],
) -> Callable[..., Trainer]:
    def make(seed: int = 0, **changes: Any) -> Trainer:
        data = (digits.training, digits.validation)
        return Trainer(make_model(), *data, **make_settings(**changes), seed=seed, device=CPU)

    return make


def train(trainer: Trainer, epochs: int | None = None) -> Weights:
    while not trainer.done and epochs != 0:
        list(trainer.epoch())
        epochs = None if epochs is None else epochs - 1
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def same(one: Weights, two: Weights) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_weights(precision: str, make_trainer: Callable[..., Trainer]) -> None:
    one, two, other = (train(make_trainer(seed, precision=precision)) for seed in (0, 0, 1))
    assert same(one, two)
    assert not same(one, other)


def test_the_global_random_state_is_neither_used_nor_moved(
    make_trainer: Callable[..., Trainer],
) -> None:
    expected = train(make_trainer())
    torch.manual_seed(99)
    before = torch.get_rng_state()
    trainer = make_trainer()
    assert same(train(trainer), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_the_listener_does_between_losses_changes_nothing(
    make_trainer: Callable[..., Trainer],
) -> None:
    expected = train(make_trainer(epochs=1))
    trainer = make_trainer(epochs=1, batch_log_interval=1)
    for _ in trainer.epoch():
        torch.rand(7)
    assert same(trainer.model.state_dict(), expected)


def test_two_trainings_taking_turns_do_not_mix(make_trainer: Callable[..., Trainer]) -> None:
    expected = [train(make_trainer(seed, epochs=1)) for seed in (0, 1)]
    trainers = [make_trainer(seed, epochs=1) for seed in (0, 1)]
    for _ in zip(*(trainer.epoch() for trainer in trainers), strict=True):
        pass
    assert [same(t.model.state_dict(), e) for t, e in zip(trainers, expected, strict=True)] == [
        True,
        True,
    ]


@pytest.mark.parametrize("optimizer", optimizer_names())
@pytest.mark.parametrize("schedule", ["none", "one-cycle", "cosine"])
def test_a_training_resumed_half_way_ends_the_same(
    optimizer: str, schedule: str, make_trainer: Callable[..., Trainer]
) -> None:
    """Through a file that is read with weights_only=True, as a checkpoint is."""
    settings = {"optimizer": optimizer, "schedule": schedule, "epochs": 2, "batch_size": 128}
    whole = make_trainer(**settings)
    train(whole, epochs=1)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = make_trainer(**settings)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.epochs_done == 1
    assert list(resumed.epoch()) == list(whole.epoch())
    assert same(resumed.model.state_dict(), whole.model.state_dict())


def test_a_state_stays_as_it_was_taken(make_trainer: Callable[..., Trainer]) -> None:
    """Neither the trainer that gave it nor one that took it writes into it."""
    trainer = make_trainer(epochs=2)
    train(trainer, epochs=1)
    state = trainer.state_dict()
    one, two = make_trainer(epochs=2), make_trainer(epochs=2)
    expected = train(trainer)
    for resumed in (one, two):
        resumed.load_state_dict(state)
        assert same(train(resumed), expected)


def test_another_process_gives_the_same_files(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    train_both_precisions(here)
    subprocess.run([sys.executable, ml_trial.__file__, str(there)], check=True)
    for name in ("fp32.pth", "bf16.pth"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
