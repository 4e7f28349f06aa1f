from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from typing import Any, ClassVar

import ml_tutorial
import pytest
import torch
from torch import nn

from raysweep.errors import ConfigError
from raysweep.ml.compute import PRECISIONS
from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Split, Splits
from raysweep.ml.evaluation import classify
from raysweep.ml.optimizers import SCHEDULES, optimizer_names
from raysweep.ml.training import BatchLoss, EpochMetrics, Trainer

CPU = torch.device("cpu")

MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def make_trainer(
    digits: Splits,
    make_model: Callable[..., ConvNet],
    make_settings: Callable[..., dict[str, Any]],
) -> MakeTrainer:
    """make_trainer(dropout=0.1, optimizer="SGD"): on the digits, on the CPU."""

    def make(*, dropout: float = 0.5, seed: int = 0, **changes: object) -> Trainer:
        return Trainer(
            make_model(dropout=dropout),
            digits.training,
            digits.validation,
            **make_settings(**changes),
            seed=seed,
            device=CPU,
        )

    return make


def run_epoch(trainer: Trainer) -> tuple[list[BatchLoss], EpochMetrics]:
    *losses, metrics = trainer.epoch()
    assert isinstance(metrics, EpochMetrics)
    return [loss for loss in losses if isinstance(loss, BatchLoss)], metrics


def test_two_epochs_are_the_tutorials(make_trainer: MakeTrainer, digits: Splits) -> None:
    """Unshuffled, without dropout or schedule: the tutorial's loop, to the last rounding."""
    trainer = make_trainer(
        dropout=0.0, shuffle=False, schedule="none", optimizer="Adam", weight_decay=0.0,
        batch_size=100, batch_log_interval=1,
    )  # fmt: skip
    reference = ml_tutorial.Network([8, 16], [3], "ReLU", [2])
    reference.load_state_dict(trainer.model.state_dict())
    optimizer = torch.optim.Adam(reference.parameters(), lr=1e-2)
    for _ in range(2):
        expected = ml_tutorial.train_epoch(
            reference, optimizer, digits.training.x, digits.training.y, 100
        )
        losses, metrics = run_epoch(trainer)
        assert [batch.loss for batch in losses] == pytest.approx(expected, rel=1e-3)
        assert metrics.values["train/loss"] == pytest.approx(sum(expected) / 3, rel=1e-3)
        loss, accuracy = ml_tutorial.score(reference, digits.validation.x, digits.validation.y)
        assert metrics.values["validation/loss"] == pytest.approx(loss, rel=1e-2)
        assert metrics.values["validation/accuracy"] == pytest.approx(accuracy, abs=0.4)


def test_epochs_and_examples_are_counted(make_trainer: MakeTrainer) -> None:
    """256 examples in batches of 60: four whole ones and one of 16; a loss from 0, every 2nd."""
    trainer = make_trainer(batch_size=60, batch_log_interval=2, epochs=2)
    first, second = run_epoch(trainer), run_epoch(trainer)
    assert [(b.epoch, b.examples) for b in first[0]] == [(0, 60), (0, 180), (0, 256)]
    assert [(b.epoch, b.examples) for b in second[0]] == [(1, 316), (1, 436), (1, 512)]
    assert [(m.epoch, m.examples) for _, m in (first, second)] == [(0, 256), (1, 512)]
    assert trainer.done and trainer.epochs_done == 2
    with pytest.raises(AssertionError, match="no epoch is left"):
        next(trainer.epoch())


def test_metrics_have_the_tutorials_keys_and_units(make_trainer: MakeTrainer) -> None:
    _, metrics = run_epoch(make_trainer())
    assert metrics.as_metrics() == {
        "epoch": 0,
        "train/loss": metrics.values["train/loss"],
        "validation/loss": metrics.values["validation/loss"],
        "validation/accuracy": metrics.values["validation/accuracy"],
    }
    assert 10 < metrics.values["validation/accuracy"] <= 100


def test_it_learns(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(epochs=10, dropout=0.1, batch_size=32)
    while not trainer.done:
        _, metrics = run_epoch(trainer)
    assert metrics.values["validation/accuracy"] > 90


def test_each_epoch_sees_every_example_once_in_an_order_of_its_own(
    make_trainer: MakeTrainer,
) -> None:
    trainer = make_trainer()
    first = trainer._order()
    run_epoch(trainer)
    second = trainer._order()
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(256))
    assert first.tolist() != second.tolist()
    assert first.tolist() != make_trainer(seed=1)._order().tolist()
    assert make_trainer(shuffle=False)._order().tolist() == list(range(256))


def test_label_smoothing_is_in_the_training_loss_alone(make_trainer: MakeTrainer) -> None:
    plain, smooth = (
        make_trainer(label_smoothing=s, learning_rate=0.0, schedule="none", dropout=0.0)
        for s in (0.0, 0.5)
    )
    plain.model.fc.bias.data[0] = smooth.model.fc.bias.data[0] = 5.0  # sure of itself, and wrong
    one, two = run_epoch(plain)[1], run_epoch(smooth)[1]
    assert one.values["validation/loss"] == two.values["validation/loss"]
    assert one.values["train/loss"] != pytest.approx(two.values["train/loss"], rel=0.01)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_divergence_is_nan_and_no_crash(precision: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(
        optimizer="SGD",
        learning_rate=1e30,
        schedule="none",
        precision=precision,
        batch_log_interval=1,
    )
    losses, metrics = run_epoch(trainer)
    assert math.isnan(losses[-1].loss)
    assert math.isnan(metrics.values["train/loss"]) and math.isnan(
        metrics.values["validation/loss"]
    )
    assert 0 <= metrics.values["validation/accuracy"] <= 100
    assert math.isnan(run_epoch(trainer)[1].values["train/loss"])


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_every_optimizer_moves_the_weights(optimizer: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(optimizer=optimizer, epochs=1, batch_size=128)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    _, metrics = run_epoch(trainer)
    assert math.isfinite(metrics.values["train/loss"])
    assert all(not torch.equal(before[n], v) for n, v in trainer.model.state_dict().items())


def test_the_config_says_all_that_training_asks_and_no_more() -> None:
    from raysweep.config.names import OPTIMIZERS
    from raysweep.config.sections import TrainConfig
    from raysweep.config.sweep import GOAL_OF

    given = {"model", "training", "validation", "seed", "device"}
    asked = {
        name: parameter.default
        for name, parameter in inspect.signature(Trainer).parameters.items()
        if name not in given
    }
    assert asked == TrainConfig().params(), "a trainer derived from it has the same defaults"
    assert Trainer.metrics == GOAL_OF
    assert set(OPTIMIZERS) <= set(optimizer_names())
    for schedule, precision in zip(SCHEDULES, PRECISIONS, strict=True):
        TrainConfig(schedule=schedule, precision=precision)


def test_data_that_was_not_preprocessed_trains_too(
    digits: Splits, make_model: Callable[..., ConvNet], make_settings: Callable[..., dict[str, Any]]
) -> None:
    """`normalize` and `expand_dims` may be switched off in a config."""
    raw = Split((digits.training.x[:64, 0] * 255).to(torch.uint8), digits.training.y[:64])
    trainer = Trainer(make_model(), raw, raw, **make_settings(epochs=1), seed=0, device=CPU)
    assert math.isfinite(run_epoch(trainer)[1].values["train/loss"])


@pytest.mark.parametrize("change", [{"optimizer": "Adm"}, {"schedule": "x"}, {"precision": "x"}])
def test_unknown_names_are_the_users_mistake(
    change: dict[str, str], make_trainer: MakeTrainer
) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        make_trainer(**change)


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.fc(x), None


class Odd(Trainer):
    """Returns given values as its loss and its scores."""

    gives: ClassVar[dict[str, Any]] = {}

    def loss(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.gives.get("loss", super().loss(output, y))

    def scores(self, output: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
        return self.gives.get("scores", super().scores(output, y))


@pytest.mark.parametrize(
    ("network", "gives", "says"),
    [
        (Pair(), {}, "model: forward() of Pair gave a tuple; expected a tensor"),
        (nn.Linear(4, 2), {"loss": 0.5}, "train: loss() gave a float; expected a tensor of one"),
        (nn.Linear(4, 2), {"loss": None}, "train: loss() gave None; expected a tensor of one"),
        (nn.Linear(4, 2), {"loss": torch.ones(3)}, "loss() gave a tensor of shape (3,); expected"),
        (nn.Linear(4, 2), {"scores": None}, "train: scores() gave None; expected a mapping"),
    ],
)
def test_what_is_no_tensor_or_no_scores_is_named(
    network: nn.Module, gives: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "gives", gives)
    rows = Split(torch.rand(8, 4), torch.arange(8) % 2)
    with pytest.raises(ConfigError, match=re.escape(says)):
        list(Odd(network, rows, rows, seed=0, epochs=1).epoch())


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.int64])
def test_labels_of_any_integer_type(kind: torch.dtype) -> None:
    y = (torch.arange(300) % 3).to(kind)
    rows = Split(torch.rand(300, 4), y)
    trainer = Trainer(nn.Linear(4, 3), rows, rows, seed=0, epochs=1)
    assert isinstance(list(trainer.epoch())[-1], EpochMetrics)
    assert int(classify(trainer.model, rows).confusion.sum()) == 300
