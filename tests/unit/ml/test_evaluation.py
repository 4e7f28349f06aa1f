from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_tutorial
import pytest
import torch

from raysweep.ml.convnet import ConvNet
from raysweep.ml.datasets import Split, Splits
from raysweep.ml.evaluation import classify, evaluate
from raysweep.ml.training import Trainer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tested(digits: Splits) -> Split:
    """The whole test split: its 297 examples do not fill the last batch."""
    return digits.test


@pytest.fixture
def model(
    digits: Splits,
    make_model: Callable[..., ConvNet],
    make_settings: Callable[..., dict[str, Any]],
) -> ConvNet:
    """Trained a little, so that its losses differ."""
    settings = make_settings(epochs=1)
    trainer = Trainer(make_model(), digits.training, digits.validation, **settings, seed=0)
    list(trainer.epoch())
    return trainer.model.to(CPU)


def test_the_scores_are_the_tutorials(model: ConvNet, tested: Split) -> None:
    loss, accuracy = ml_tutorial.score(model, tested.x, tested.y)
    found = classify(model, tested, batch_size=50, device=CPU)
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.accuracy == pytest.approx(accuracy)


def test_the_hardest_are_the_tutorials(model: ConvNet, tested: Split) -> None:
    losses, places, predictions = ml_tutorial.hardest(model, tested.x, tested.y, k=32)
    found = classify(model, tested, device=CPU).hardest
    assert torch.equal(found.indices, places)
    assert torch.allclose(found.losses, losses, rtol=1e-4)
    assert torch.equal(found.predictions, predictions)
    assert torch.equal(found.images, tested.x[places]) and torch.equal(
        found.labels, tested.y[places]
    )
    assert torch.equal(found.losses, found.losses.sort().values)


def test_the_confusion_matrix_counts_every_picture(model: ConvNet, tested: Split) -> None:
    found = classify(model, tested, device=CPU)
    assert found.confusion.shape == (10, 10) and found.confusion.dtype == torch.int64
    assert torch.equal(found.confusion.sum(dim=1), torch.bincount(tested.y, minlength=10))
    assert 100 * float(found.confusion.trace()) / len(tested) == pytest.approx(found.accuracy)
    wrong = found.hardest
    label, predicted = int(wrong.labels[-1]), int(wrong.predictions[-1])
    assert label != predicted and found.confusion[label, predicted] > 0


def test_fewer_pictures_than_asked_for(model: ConvNet, tested: Split) -> None:
    few = Split(tested.x[:5], tested.y[:5])
    found = classify(model, few, device=CPU)
    assert sorted(found.hardest.indices.tolist()) == [0, 1, 2, 3, 4]
    assert len(classify(model, few, k=2, device=CPU).hardest.losses) == 2
    assert len(classify(model, few, k=0, device=CPU).hardest.losses) == 0


def test_a_diverged_model_has_a_score_too(model: ConvNet, tested: Split) -> None:
    model.fc.weight.data.fill_(float("nan"))
    found = classify(model, tested, device=CPU)
    assert found.loss != found.loss
    assert int(found.confusion.sum()) == len(tested)


def test_the_report_is_made_of_them(model: ConvNet, tested: Split) -> None:
    found, report = (
        classify(model, tested, k=5, device=CPU),
        evaluate(model, tested, CPU, hardest=5),
    )
    assert report.scores == {"loss": found.loss, "accuracy": found.accuracy}
    assert report.tables["confusion-matrix"].rows[3] == [3, *found.confusion[3].tolist()]
    captions = [picture.caption for picture in report.pictures["high-loss-examples"]]
    hardest = zip(found.hardest.predictions, found.hardest.labels, strict=True)
    assert captions == [f"{predicted},{label}" for predicted, label in hardest]


def test_data_without_pictures_has_none_to_show() -> None:
    rows = Split(torch.rand(9, 4), torch.arange(9) % 2)
    report = evaluate(torch.nn.Linear(4, 2), rows, CPU)
    assert report.pictures == {"high-loss-examples": []}
    assert report.tables["confusion-matrix"].columns == ["label", "predicted 0", "predicted 1"]
